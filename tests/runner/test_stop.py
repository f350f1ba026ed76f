"""Stopping: handlers, cleaning up, keeping alive, and what happens to those that don't."""

import asyncio
import time

import pytest

STOPPED = ("completed", {"exitcode": 138, "reason": "Instance stopped"})
KILLED = ("completed", {"exitcode": 137, "reason": "Instance killed"})


async def stop(api, instance, timeout=600_000, can_keep_alive=False):  # noqa: FBT002 - as on the wire
    answer = await api.post(f"{instance}/_stop", {"timeout": timeout, "canCallKeepalive": can_keep_alive})
    assert answer.status == 202
    return answer.json


async def stopped(api, instance, **options):
    await stop(api, instance, **options)
    info = await api.ended(instance)
    return info["status"], info["terminated"]


WAITING = {
    "coroutine": "async def run(context, input):\n    await asyncio.sleep(1000)",
    "async generator": "async def run(context, input):\n    yield 'a'\n    await asyncio.sleep(1000)",
    "input": "def run(context, input):\n    return input",
    "stream": "def run(context, input):\n    return input.map(lambda item: item).flatmap(lambda item: [item])",
    "busy": "async def run(context, input):\n    while True: await asyncio.sleep(0)",
    "endless": "def run(context, input):\n    while True: yield ''",
}


@pytest.mark.parametrize("kind", WAITING)
async def test_without_handler_it_stops_at_once(kind, launch, api):
    instance = await launch("import asyncio\n" + WAITING[kind])
    assert await stopped(api, instance) == STOPPED


async def test_handlers_are_called_in_order_with_seconds(launch, api):
    instance = await launch("""
        import asyncio, json
        def run(context, input):
            def first(timeout, can_keep_alive): print(json.dumps(["first", timeout, can_keep_alive]))
            async def second(timeout, can_keep_alive):
                await asyncio.sleep(0.01)
                print(json.dumps(["second", timeout, can_keep_alive]))
            def third(timeout, can_keep_alive): print("third")
            for handler in (first, second, third): context.set_stop_handler(handler)
            return input
    """)
    assert await stopped(api, instance, timeout=6500) == STOPPED
    assert await api.read(f"{instance}/stdout") == b'["first", 6.5, false]\n["second", 6.5, false]\nthird\n'


async def test_a_handler_that_fails_is_logged_and_the_others_are_called(launch, api, log):
    instance = await launch("""
        def run(context, input):
            def bad(timeout, can_keep_alive): raise ValueError("bad handler")
            context.set_stop_handler(bad)
            context.set_stop_handler(lambda timeout, can_keep_alive: print("good"))
            return input
    """)
    assert await stopped(api, instance) == STOPPED
    assert await api.read(f"{instance}/stdout") == b"good\n"
    (entry,) = await log(instance)
    assert entry["msg"].startswith("A stop handler failed\nTraceback")


async def test_a_handler_may_let_the_sequence_end_by_itself(launch, api):
    instance = await launch("""
        import asyncio
        async def run(context, input):
            stop = asyncio.Event()
            async def handler(timeout, can_keep_alive):
                stop.set()
                await asyncio.sleep(1000)
            context.set_stop_handler(handler)
            await stop.wait()
            yield "my own end"
    """)
    assert await stopped(api, instance) == ("completed", {"exitcode": 0, "reason": "Instance completed"})
    assert await api.read(f"{instance}/output") == b"my own end"


CLEANED = {
    "coroutine": """
        async def run(context, input):
            try: await asyncio.sleep(1000)
            finally:
                await asyncio.sleep(0.01)
                print("clean")
    """,
    "async generator that waits": """
        async def run(context, input):
            try:
                yield "a"
                await asyncio.sleep(1000)
            finally: print("clean")
    """,
    "async generator whose output is not read": """
        async def run(context, input):
            try:
                while True: yield "x" * 10_000_000
            finally: print("clean")
    """,
    "generator": """
        def run(context, input):
            try:
                while True: yield ""
            finally: print("clean")
    """,
    "async generator in a stream": """
        async def numbers():
            try:
                while True:
                    yield "a"
                    await asyncio.sleep(0.001)
            finally: print("clean")
        def run(context, input): return Stream.from_iterable(numbers()).map(lambda item: item)
    """,
    "task": """
        async def work():
            try: await asyncio.sleep(1000)
            finally:
                await asyncio.sleep(0.01)
                print("clean")
        async def run(context, input):
            task = asyncio.create_task(work())
            await asyncio.sleep(1000)
    """,
    "atexit": """
        import atexit
        atexit.register(print, "clean")
        def run(context, input): return input
    """,
}


@pytest.mark.parametrize("kind", CLEANED)
async def test_it_cleans_up(kind, launch, api, held_back):
    instance = await launch("import asyncio\nfrom scramjet.streams import Stream\n" + _dedent(CLEANED[kind]))
    if "not read" in kind:
        await held_back(instance, "output")
        stopping = asyncio.ensure_future(stopped(api, instance))
        async with api.session.get(f"{api.url}{instance}/output") as response:
            async for chunk in response.content.iter_any():
                assert not chunk.strip(b"x")
        assert await stopping == STOPPED
    else:
        assert await stopped(api, instance) == STOPPED
    assert await api.read(f"{instance}/stdout") == b"clean\n"


async def test_what_it_writes_while_it_is_stopped_is_delivered(launch, api):
    instance = await launch("""
        import asyncio
        async def run(context, input):
            try:
                yield "first "
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                yield "last"
    """)
    assert await stopped(api, instance) == STOPPED
    assert await api.read(f"{instance}/output") == b"first last"


async def test_no_byte_is_lost_from_output_that_was_held_back(launch, api, held_back):
    item = b"".join(b"%07d\n" % number for number in range(1_000_000))  # more than all sockets hold
    instance = await launch("""
        async def run(context, input):
            item = b"".join(b"%07d\\n" % number for number in range(1_000_000))
            while True: yield item
    """)
    await held_back(instance, "output")
    stopping = asyncio.ensure_future(stopped(api, instance))
    await api.status(instance, "stopping")
    output = await api.read(f"{instance}/output")
    assert await stopping == STOPPED
    assert output == item


async def test_a_handler_that_hangs_is_killed_at_the_timeout(launch, api):
    instance = await launch("""
        import asyncio
        def run(context, input):
            async def handler(timeout, can_keep_alive): await asyncio.sleep(1000)
            context.set_stop_handler(handler)
            return input
    """)
    began = time.monotonic()
    info = await stop(api, instance, timeout=200)
    assert time.monotonic() - began >= 0.2  # not before
    assert (info["status"], info["terminated"]) == KILLED


@pytest.mark.parametrize("timeout", [0, 100])
async def test_a_sequence_that_blocks_is_killed_at_the_timeout(timeout, launch, api):
    instance = await launch("import time\nasync def run(context, input):\n    yield 'a'\n    time.sleep(1000)")
    info = await stop(api, instance, timeout=timeout)
    assert (info["status"], info["terminated"]) == KILLED


async def test_a_sequence_that_goes_on_when_cancelled_is_killed_at_the_timeout(launch, api):
    instance = await launch("""
        import asyncio
        async def run(context, input):
            while True:
                try: await asyncio.sleep(1000)
                except asyncio.CancelledError: pass
    """)
    info = await stop(api, instance, timeout=200)
    assert (info["status"], info["terminated"]) == KILLED


KEEPS_ALIVE = """
import asyncio
def run(context, input):
    async def handler(timeout, can_keep_alive):
        print("asked", flush=True)
        await context.keep_alive(0.01)
    context.set_stop_handler(handler)
    return input
"""


async def test_it_goes_on_if_it_asks_and_may(launch, api):
    instance = await launch(KEEPS_ALIVE)
    for _ in range(2):
        info = await stop(api, instance, can_keep_alive=True)
        assert info["status"] == "running"
    await api.input(instance, b"still there")
    assert await api.read(f"{instance}/output") == b"still there"
    assert (await api.ended(instance))["terminated"]["exitcode"] == 0
    assert await api.read(f"{instance}/stdout") == b"asked\nasked\n"


@pytest.mark.parametrize(
    "call",
    ["context.keep_alive(5)", "asyncio.create_task(context.keep_alive(5))"],
    ids=["not awaited", "a task"],
)
async def test_a_handler_that_is_not_async_may_ask_as_well(call, launch, api):
    instance = await launch(f"""
        import asyncio
        def run(context, input):
            def handler(timeout, can_keep_alive):
                {call}
            context.set_stop_handler(handler)
            return input
    """)
    assert (await stop(api, instance, can_keep_alive=True))["status"] == "running"
    assert await stopped(api, instance, can_keep_alive=False) == STOPPED
    assert b"never awaited" not in await api.read(f"{instance}/stderr")


async def test_it_stops_if_it_asks_to_go_on_but_may_not(launch, api):
    instance = await launch(KEEPS_ALIVE)
    assert await stopped(api, instance, can_keep_alive=False) == STOPPED


async def test_having_gone_on_once_it_can_be_stopped(launch, api):
    instance = await launch(KEEPS_ALIVE)
    assert (await stop(api, instance, can_keep_alive=True))["status"] == "running"
    assert await stopped(api, instance, can_keep_alive=False) == STOPPED


async def test_keep_alive_outside_of_a_stop_means_nothing(launch, api):
    instance = await launch("""
        async def run(context, input):
            await context.keep_alive()
            context.emit("asked")
            async for line in input: pass
    """)
    await api.get(f"{instance}/event/asked")
    assert await stopped(api, instance, can_keep_alive=True) == STOPPED


async def test_two_stops_at_once_are_one(launch, api):
    instance = await launch("""
        import asyncio
        def run(context, input):
            async def handler(timeout, can_keep_alive):
                print("called")
                await asyncio.sleep(0.1)
            context.set_stop_handler(handler)
            return input
    """)
    infos = await asyncio.gather(stop(api, instance), stop(api, instance), stop(api, instance))
    assert {info["terminated"]["exitcode"] for info in infos} == {138}
    assert await api.read(f"{instance}/stdout") == b"called\n"


async def test_a_stop_while_it_is_loaded_comes_after_that(loading, api):
    instance, finish = await loading("def run(context, input): return input")
    stopping = asyncio.ensure_future(stopped(api, instance))
    await api.status(instance, "stopping")
    await finish()
    assert await stopping == STOPPED


def _dedent(source):
    import textwrap

    return textwrap.dedent(source)
