"""``si util log-format``: lines of any log become readable, and what is none stays as it is."""

import subprocess

import pytest

pytestmark = pytest.mark.slow

AT = "2026-11-25T12:41:36.885Z"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b'{"ts":1795610496885,"level":"INFO","msg":"said","from":"server"}', f"{AT} INFO  server said"),
        (b'{"ts": "2026-11-25T12:41:36.885Z", "level": "WARN", "msg": "of sth"}', f"{AT} WARN  of sth"),
        (b'{"ts":"later","msg":"x"}', '{"ts":"later","msg":"x"}'),
        (b'{"ts":1e300,"msg":"x"}', '{"ts":1e300,"msg":"x"}'),
        (b'{"from":1,"msg":null}', None),
        (b"no JSON", "no JSON"),
        (b"[]", "[]"),
        (b"\xff\xfe", "��"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("option", [(), ("--no-color",)])
def test_lines_become_readable(lonely, line, shown, option):
    done = lonely("util", "log-format", *option, stdin=line + b"\n").stdout.decode()
    if shown is not None and option:
        assert done == f"{shown}\n"


def test_a_terminal_without_a_letter_gets_its_number(lonely):
    made = lonely("init", "sequence", "--path", "grün", PYTHONIOENCODING="ascii").text
    assert "gr\\xfcn" in made


def test_names_that_are_no_text_are_an_error(lonely):
    done = subprocess.run(
        ["si", "init", "sequence", "--path", b"\xff"], env=lonely.env, cwd=lonely.cwd, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, b"Error: '\\udcff' is not UTF-8: rename it\n")
