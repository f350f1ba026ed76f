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


def test_names_that_are_no_text_are_an_error(lonely):
    done = subprocess.run(
        ["si", "init", "sequence", "--path", b"\xff"], env=lonely.env, cwd=lonely.cwd, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, b"Error: '\\udcff' is not UTF-8: rename it\n")


@pytest.mark.parametrize(
    "env", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}]
)
def test_json_is_json_where_stdout_is_not_utf_8(lonely, env):
    lonely("config", "set", "json", '{"token": "", "middlewareApiUrl": "http://gr\\u00fcn.example:80/\\ud83d\\ude00"}')
    assert lonely("config", "print", **env).json["middlewareApiUrl"].endswith("\N{GRINNING FACE}")
