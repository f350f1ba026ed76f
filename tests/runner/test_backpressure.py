"""Input that is not read and output that nobody takes are held back, and memory stays bounded."""

import asyncio
import io

from processes import idle
from until import until

SIZE = 60_000_000


async def taken(api, instance):
    """Wait until the first of its input has reached an Instance."""
    await api.until(f"{instance}/health", lambda health: health["traffic"]["input"])


async def test_input_that_is_not_read(launch, api, process):
    instance = await launch("""
        import asyncio
        async def run(context, input):
            go = asyncio.Event()
            context.on("go", lambda message: go.set())
            await go.wait()
            size = 0
            async for chunk in input: size += len(chunk)
            yield str(size)
    """)
    runner = await process(instance)
    before = runner.memory_info().rss
    sending = asyncio.ensure_future(api.input(instance, io.BytesIO(b"x" * SIZE), "application/octet-stream"))
    await taken(api, instance)
    await until(idle(runner))
    assert not sending.done()
    assert runner.memory_info().rss - before < 30_000_000
    await api.post(f"{instance}/_event", [5001, {"eventName": "go"}])
    assert await api.read(f"{instance}/output") == str(SIZE).encode()
    assert (await sending).status == 200


async def test_lines_that_are_not_read(launch, api, process):
    instance = await launch("""
        import asyncio, sys
        async def run(context, input):
            context.emit("line", await input.read())
            await input.read()
            async for line in input: pass
            await asyncio.to_thread(sys.stdin.read)  # it is measured before it ends
    """)
    runner = await process(instance)
    before = runner.memory_info().rss
    line = b"x" * 999 + b"\n"
    sending = asyncio.ensure_future(api.input(instance, io.BytesIO(line * 40_000)))
    assert (await api.get(f"{instance}/event/line")).json.encode() == line
    await sending
    assert runner.memory_info().rss - before < 30_000_000
    assert (await api.post(f"{instance}/stdin", b"")).status == 200
    assert (await api.ended(instance))["status"] == "completed"


async def test_output_that_nobody_takes(launch, api, process, held_back):
    instance = await launch(f"""
        async def run(context, input):
            for number in range({SIZE} // 100_000):
                context.emit("made", number)
                yield b"%0100000d" % number
    """)
    runner = await process(instance)
    await held_back(instance, "output")
    await until(idle(runner))
    made = (await api.get(f"{instance}/event/made")).json
    assert made < 100
    assert runner.memory_info().rss < 60_000_000
    output = await api.read(f"{instance}/output")
    assert output[99_996::100_000][:2] == b"00"
    assert len(output) == SIZE
    assert (await api.ended(instance))["status"] == "completed"


async def test_output_that_nobody_takes_holds_the_input_back(launch, api, process):
    instance = await launch("def run(context, input): return input.map(lambda chunk: chunk)")
    runner = await process(instance)
    before = runner.memory_info().rss
    data = bytes(range(256)) * (SIZE // 256)
    sending = asyncio.ensure_future(api.input(instance, io.BytesIO(data), "application/octet-stream"))
    await taken(api, instance)
    await until(idle(runner))
    assert not sending.done()
    # 64 chunks in the Stream's pipeline, before and after its operator.
    assert runner.memory_info().rss - before < 45_000_000
    assert await api.read(f"{instance}/output") == data
    assert (await sending).status == 200


async def test_a_sequence_that_is_held_back_stays_reachable(launch, api, held_back, endless_grace):
    instance = await launch("""
        async def run(context, input):
            context.on("ping", lambda message: context.emit("pong", message))
            while True: yield "x" * 100_000
    """)
    await held_back(instance, "output")
    await api.post(f"{instance}/_event", [5001, {"eventName": "ping", "message": 1}])
    assert (await api.get(f"{instance}/event/pong")).json == 1
    await api.post(f"{instance}/_kill", {})
    assert (await api.ended(instance))["terminated"]["exitcode"] == 137
