"""`context.hub`, kill handlers and what else Python Sequences find in their context."""

import json

import aiohttp
import pytest

from transform_hub.hub.server import serve

TOKEN = "of the Hub's owner"
KILLED = ("completed", {"exitcode": 137, "reason": "Instance killed"})


@pytest.fixture
async def hub(tmp_path):
    async with serve(port=0, data_dir=tmp_path / "hub", retention_ms=60_000, token=TOKEN) as running:
        yield running


@pytest.fixture
async def api(hub, api_of):
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session:
        yield api_of(hub, session)


async def test_the_hub(result, api, package):
    other = await api.send(package("def run(context, input): return input.map(str.upper)", name="other"))
    output, info = await result(
        """
        async def run(context, input, other):
            yield context.instance_id + "\\n"
            yield (await context.hub.get_version()).api_version + "\\n"
            instance = await context.hub.sequence(other).start()
            await instance.send_input("text", content_type="text/plain")
            yield await instance.get_output().read()
        """,
        args=[other],
    )
    assert info["status"] == "completed", info["error"]
    assert output.decode() == f"{info['id']}\nv1\nTEXT"
    assert await api.read(f"/instance/{info['id']}/stderr") == b""  # no session was left open


VENDORED = {
    f"__pypackages__/{name}/__init__.py": "__version__ = 'theirs'"
    for name in ("aiohttp", "yarl", "multidict", "msgspec")
}


@pytest.mark.parametrize("first", ["theirs", "hub"])
async def test_packages_that_the_sequence_brings_and_those_of_the_hub_do_not_meet(first, result):
    output, info = await result(
        f"""
        async def run(context, input):
            if {first!r} == "theirs":
                import aiohttp, yarl, multidict, msgspec, typing_extensions
            yield (await context.hub.get_version()).api_version
            import aiohttp, yarl, multidict, msgspec, typing_extensions
            yield [each.__version__ for each in (aiohttp, yarl, multidict, msgspec)] + [typing_extensions.MINE]
            yield (await context.hub.sequence("none").start()).id
        """,
        files={**VENDORED, "typing_extensions.py": "MINE = True"},
    )
    assert output == b'v1["theirs", "theirs", "theirs", "theirs", true]\n'
    assert info["error"].startswith("NotFoundError")


async def test_a_framework_of_another_version_is_said_not_to_be_used(launch, api, log):
    vendored = "__pypackages__/scramjet_framework_py-0.1.dist-info/METADATA"
    instance = await launch(
        "from scramjet.streams import Stream\ndef run(context, input): return Stream.from_iterable(['a'])",
        files={"__pypackages__/scramjet/__init__.py": "raise ImportError", vendored: "Version: 0.1\n"},
    )
    assert await api.read(f"{instance}/output") == b"a"
    await api.ended(instance)
    (entry,) = await log(instance)
    assert entry["level"] == "WARN"
    assert entry["msg"].startswith("The package brings scramjet-framework-py 0.1, which is not used: ")


async def test_without_use_of_the_hub_its_packages_are_not_loaded(result):
    output, _ = await result("""
        import sys
        def run(context, input): return [name for name in ("aiohttp", "msgspec") if name in sys.modules]
    """)
    assert output == b""


@pytest.mark.parametrize("future", ["", "from __future__ import annotations\n"], ids=["evaluated", "not evaluated"])
async def test_its_types_can_be_imported_and_bring_nothing_else(future, result):
    output, info = await result(
        f"""{future}
import sys
from transform_hub import Context, Input, Stream
def run(context: Context, input: Input[str]) -> Stream[str]:
    assert isinstance(context, Context) and isinstance(input, Input) and isinstance(input, Stream)
    loaded = [name for name in ("aiohttp", "msgspec", "typing_extensions") if name in sys.modules]
    return input.map(lambda line: line + repr(loaded))
""",
        data="a",
    )
    assert output == b"a[]", info


async def test_kill_handlers(launch, api):
    instance = await launch("""
        import asyncio
        def run(context, input):
            async def slow(): await asyncio.sleep(1000)
            async def second(): print("second")
            context.add_kill_handler(lambda: print("first"))
            context.set_kill_handler(second)
            context.add_kill_handler(lambda: 1 / 0)
            context.add_kill_handler(slow)
            context.emit("ready")
            return input
    """)
    await api.get(f"{instance}/event/ready")
    await api.post(f"{instance}/_kill")
    info = await api.ended(instance)
    assert (info["status"], info["terminated"]) == KILLED
    assert sorted((await api.read(f"{instance}/stdout")).splitlines()) == [b"first", b"second"]
    assert b"A kill handler failed" in await api.read(f"{instance}/log")


async def test_kill_handlers_of_a_blocked_sequence_prevent_no_kill(launch, api):
    instance = await launch("""
        import time
        def run(context, input):
            context.add_kill_handler(lambda: None)
            context.emit("blocked")
            time.sleep(1000)
    """)
    await api.get(f"{instance}/event/blocked")
    await api.post(f"{instance}/_kill")
    info = await api.ended(instance)
    assert (info["status"], info["terminated"]) == KILLED


async def test_monitoring_handlers_are_merged(launch, api):
    instance = await launch("""
        def run(context, input):
            async def second(): return {"healthy": True, "b": 2}
            context.set_health_check(lambda: {"a": 1})
            context.add_monitoring_handler(second)
            context.add_monitoring_handler(lambda: False)
            return input
    """)
    await api.post(f"{instance}/_monitoring_rate", [4003, {"monitoringRate": 100}])
    health = await api.until(f"{instance}/health", lambda health: not health["healthy"])
    assert (health["a"], health["b"]) == (1, 2)


async def test_main_is_an_entry_as_well(result):
    output, _ = await result("def main(context, input, *args): return list(args)", args=["a", 1])
    assert output == b"a1\n"


async def test_names_of_2_0(launch, api):
    instance = await launch("""
        def run(context, input):
            context.add_stop_handler(lambda timeout, can: print(timeout, can))
            context.emit("ready")
            return input
    """)
    await api.get(f"{instance}/event/ready")
    await api.post(f"{instance}/_stop", {"timeout": 2000})
    assert json.loads((await api.read(f"{instance}/stdout")).split()[0]) == 2.0
