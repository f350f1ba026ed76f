"""``pytest --cov`` measures Sequences, in projects as users have them."""

import json
import re
import shutil
import sys

import pytest

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.slow

PACKAGE = {"version": "1.0.0", "main": "main.py", "engines": {"python3": ">=3.10"}}
SHOUT = """\
import asyncio
from words import loud

async def run(context, input, how="stays"):
    async for line in input:
        if line == "never":
            yield "no test comes here"
        yield loud(line)
    if how == "exits":
        raise SystemExit(3)
    if how == "ends":
        context.logger.info("the end")
    if how == "stays":
        asyncio.get_running_loop().call_soon(print, "waiting")
        await asyncio.Event().wait()
"""
WORDS = """\
def loud(line):
    return line.upper()

def quiet(line):
    return line.lower()
"""
TESTS = """\
def test_an_end(hub):
    assert hub.run("sequences/shout", args=["ends"], input="one").output == b"ONE"

def test_an_exit(hub):
    assert hub.run("sequences/shout", args=["exits"], input="one").returncode == 3

def test_a_kill(hub):
    instance = hub.start("sequences/shout")
    instance.send_input("one")
    assert next(instance.get_stdout().lines()) == "waiting"
"""


@pytest.fixture
def project(pytester):
    folder = pytester.path / "sequences" / "shout"
    (folder / "__pypackages__").mkdir(parents=True)
    (folder / "package.json").write_text(json.dumps({"name": "shout", **PACKAGE}))
    (folder / "main.py").write_text(SHOUT)
    (folder / "words.py").write_text(WORDS)
    (folder / "__pypackages__" / "vendored.py").write_text("")

    def run(source, *options):
        pytester.makepyfile(source)
        result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--cov-report=term-missing", *options)
        lines = [line.split(maxsplit=1) for line in result.outlines if re.match(r"\S+\.py +\d", line)]
        return result, dict(lines)

    return run


def test_lines_that_ran(project):
    result, measured = project(TESTS, "--cov=sequences")
    result.assert_outcomes(passed=3)
    assert measured.keys() == {"sequences/shout/main.py", "sequences/shout/words.py"}
    assert re.fullmatch(r"14 +1 +93% +7", measured["sequences/shout/main.py"])
    assert re.fullmatch(r"4 +1 +75% +5", measured["sequences/shout/words.py"])


def test_branches_and_several_processes(project):
    result, measured = project(TESTS, "--cov=sequences", "--cov-branch", "-n", "2")
    result.assert_outcomes(passed=3)
    assert re.fullmatch(r"14 +1 +10 +\d +\d+% +7.*", measured["sequences/shout/main.py"])


def test_only_what_was_asked_for(project, pytester):
    (pytester.path / ".coveragerc").write_text("[run]\nomit = */words.py\n")
    shutil.copytree(pytester.path / "sequences", pytester.path / "others")
    test = 'def test_another(hub):\n    assert hub.run("others/shout", args=["ends"], input="one").returncode == 0\n'
    result, measured = project(f"{TESTS}\n{test}", "--cov=sequences", "-k", "end or another")
    result.assert_outcomes(passed=2, deselected=2)
    assert measured.keys() == {"sequences/shout/main.py"}


def test_coverage_itself_without_a_plugin(project, pytester):
    pytester.makepyfile(TESTS)
    pytester.run(
        sys.executable, "-m", "coverage", "run", "--source=sequences", "-m", "pytest", "-q", "-p", "no:cacheprovider"
    )
    result = pytester.run(sys.executable, "-m", "coverage", "report", "-m")
    result.stdout.re_match_lines([r"sequences/shout/main\.py +14 +1 +93% +7"])


def test_async_clients(project):
    result, measured = project(
        """
        async def test_it(hub):
            async with hub.connect() as host:
                assert (await host.run("sequences/shout", args=["ends"], input="one")).output == b"ONE"
        """,
        "--cov=sequences", "-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function",
    )  # fmt: skip
    result.assert_outcomes(passed=1)
    assert "sequences/shout/main.py" in measured
