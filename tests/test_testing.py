"""The pytest plugin, on projects of their own as users have them."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.slow

SHOUT = """
import sys

async def run(context, input, mark="!"):
    print("begun", context.config, file=sys.stderr)
    context.logger.info("loud")
    async for line in input:
        yield line.rstrip("\\n").upper() + mark + "\\n"
"""
COUNT = """
async def run(context, input):
    lines = [line async for line in input]
    context.emit("done", {"lines": len(lines)})
"""
BROKEN = """
import sys

def run(context, input):
    print("the last words", file=sys.stderr)
    context.logger.warning("about to fail")
    raise ValueError("no luck")
"""


@pytest.fixture
def project(pytester, monkeypatch):
    """A folder with Sequences, and what runs its tests."""
    for name in ("CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)  # with these pytest repeats each failure, whole, in its summary
    sources = {"shout": SHOUT, "broken": BROKEN, "sequences/shout": SHOUT, "sequences/count": COUNT}
    for name, source in sources.items():
        folder = pytester.path / name
        folder.mkdir(parents=True)
        (folder / "main.py").write_text(source)
        fields = f'{{"name": "{name}", "version": "1.0.0", "main": "main.py", "engines": {{"python3": ">=3.10"}}}}'
        (folder / "package.json").write_text(fields)

    def run(source, *options):
        pytester.makepyfile(source)
        options = options or ("-p", "no:asyncio")  # plain tests need nothing but pytest
        return pytester.runpytest_subprocess("-W", "error", "-p", "no:cacheprovider", *options)

    return run


def test_plain_tests(project):
    result = project(
        """
        import pytest
        from transform_hub.errors import InstanceFailedError

        def test_a_run(hub):
            done = hub.run("shout", args=["?"], app_config={"a": 1}, input="one\\ntwo\\n")
            assert done.output == b"ONE?\\nTWO?\\n"
            assert done.stderr == b"begun {'a': 1}\\n"
            assert done.returncode == 0

        def test_a_conversation(hub):
            instance = hub.start("shout")
            with instance.open_input("text/plain") as writer, instance.get_output() as output:
                lines = output.lines()
                writer.write("three\\n")
                assert next(lines) == "THREE!"

        def test_several_instances_of_one_sequence(hub):
            sequence = hub.send("shout")
            hub.start(sequence)
            hub.start(sequence)
            assert len(hub.client.list_instances()) == 2

        def test_nothing_is_left_of_other_tests(hub):
            assert hub.client.list_sequences() == []

        def test_a_failure_that_is_expected(hub):
            with pytest.raises(InstanceFailedError, match="no luck"):
                hub.run("broken", check=True)
        """
    )
    result.assert_outcomes(passed=5)
    result.stdout.no_fnmatch_line("*the last words*")


def test_async_tests(project):
    result = project(
        """
        import asyncio

        async def test_a_conversation(hub):
            async with hub.connect() as host:
                instance = await (await host.send_sequence("shout")).start()
                await instance.send_input("one\\n")
                assert [line async for line in instance.get_output().lines()] == ["ONE!"]
                done = await host.run("shout", input="two\\n")
                assert done.output == b"TWO!\\n"

        async def test_both_kinds_of_client(hub):
            assert hub.run("shout", input="three\\n").output == b"THREE!\\n"
        """,
        "-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function",
    )  # fmt: skip
    result.assert_outcomes(passed=2)


def test_async_tests_of_other_kinds(project):
    result = project(
        """
        import pytest
        from transform_hub.testing import FakeContext, input_of
        from shout.main import run

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        async def check(hub):
            assert [line async for line in run(FakeContext(), input_of("one\\n"))] == ["ONE!\\n"]
            async with hub.connect() as host:
                assert (await host.run("shout", input="two\\n")).output == b"TWO!\\n"

        @pytest.mark.asyncio
        async def test_strict(hub):
            await check(hub)

        @pytest.mark.anyio
        async def test_anyio(hub):
            await check(hub)
        """,
        "-o", "asyncio_mode=strict", "-o", "asyncio_default_fixture_loop_scope=function",
    )  # fmt: skip
    result.assert_outcomes(passed=2)


def test_the_documentation(project):
    """All of its tests, in one file."""
    text = (Path(__file__).parents[1] / "docs" / "testing.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    result = project("\n".join(blocks), "-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function")
    result.assert_outcomes(passed=sum(block.count("def test_") for block in blocks))


@pytest.mark.parametrize(
    "reattach",
    [False, pytest.param(True, marks=pytest.mark.skipif(sys.platform != "linux", reason="memfd is of Linux"))],
)
def test_a_failed_test_tells_what_its_sequence_said(reattach, project):
    result = project(
        f"""
        import pytest

        @pytest.fixture
        def hub_settings():
            return {{"reattach": {reattach}}}

        def test_broken(hub):
            assert hub.run("broken").returncode == 0

        def test_fine(hub):
            assert hub.run("shout", input="x\\n").output == b"X!\\n"

        def test_half(hub):
            instance = hub.start("shout", app_config={{"which": "second"}})
            assert next(instance.get_stderr().lines()) == "nothing"
        """
    )
    result.assert_outcomes(passed=1, failed=2)
    text = result.stdout.str()
    first, second = text.split("_ test_half _")
    assert "Sequence 'broken': Instance " in first
    assert " ended with exit code 23: Sequence failed during execution" in first
    assert "no luck" in first
    assert "stderr:\nthe last words" in first
    assert "WARN  about to fail" in first
    assert "'broken'" not in second
    assert "Sequence 'shout': Instance " in second
    assert "begun {'which': 'second'}" in second


def test_a_fixture_that_fails_tells_it_too(project):
    result = project(
        """
        import pytest

        @pytest.fixture
        def instance(hub):
            instance = hub.start("broken")
            assert instance.wait().exitcode == 0
            return instance

        def test_it(instance):
            pass
        """
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*Sequence 'broken': Instance *", "*the last words*"])


def test_long_output_is_shown_from_its_end(project):
    result = project(
        """
        def test_it(hub, tmp_path):
            (tmp_path / "main.py").write_text(
                "def run(context, input):\\n    for number in range(100_000): print('line', number)"
            )
            (tmp_path / "package.json").write_text(
                '{"name": "long", "version": "1.0.0", "main": "main.py", "engines": {"python3": ">=3.10"}}'
            )
            assert hub.run(str(tmp_path)).returncode == 1
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*[[]...[]]", "line 99999"])
    assert len(result.stdout.str()) < 100_000


def test_settings_and_a_hub_for_a_whole_module(project):
    result = project(
        """
        import pytest
        from transform_hub.sync import HostClient
        from transform_hub.testing import LocalHub, local_hub

        @pytest.fixture
        def hub_settings(tmp_path):
            return {"hub_id": "mine", "data_dir": tmp_path / "data", "token": "s3cret"}

        @pytest.fixture(scope="module")
        def shared():
            with local_hub() as running:
                yield running

        def test_settings(hub):
            assert isinstance(hub, LocalHub)
            assert hub.run("shout", input="x\\n").output == b"X!\\n"
            assert hub.client.send_sequence("shout").get_info().location == "mine"

        def test_shared(shared, hub):
            assert shared.url != hub.url

        def test_shared_failure(shared):
            shared.run("broken", check=True)
        """
    )
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*Sequence 'broken': Instance *", "*the last words*"])


def test_a_fixture_of_the_same_name_goes_before(project):
    result = project(
        """
        import pytest

        @pytest.fixture
        def hub():
            return "mine"

        def test_it(hub):
            assert hub == "mine"
        """
    )
    result.assert_outcomes(passed=1)


def test_it_costs_nothing_where_it_is_not_used():
    use = "import transform_hub.testing.plugin"
    code = f"import sys, pytest; had = set(sys.modules); {use}; print(*set(sys.modules) - had)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert sorted(loaded) == ["transform_hub", "transform_hub.testing", "transform_hub.testing.plugin"]


def test_without_pytest(pytester):
    """The Hub itself can be had by any other test runner, too."""
    code = textwrap.dedent(
        """
        import logging, sys
        from transform_hub.testing import local_hub
        logging.getLogger("asyncio").setLevel(logging.ERROR)   # it warns of callbacks that take long on a busy machine
        with local_hub() as hub:
            assert hub.client.get_version().api_version == "v1"
            print(hub)
        assert "pytest" not in sys.modules
        """
    )
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", code]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("LocalHub('http://127.0.0.1:")
