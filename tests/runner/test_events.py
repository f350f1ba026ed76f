"""``context.on`` and ``context.emit``."""

import json

import pytest

VALUES = ["text", None, 0, "", False, [], {}, {"a": [1, None, "ä"]}, 1.5, "lone ? surrogate"]


async def send(api, instance, name, message):
    answer = await api.post(f"{instance}/_event", [5001, {"eventName": name, "message": message}])
    assert answer.status == 200


async def test_any_json_value_arrives(launch, api):
    instance = await launch("""
        import asyncio, json
        async def run(context, input):
            got = asyncio.Queue()
            context.on("event", got.put_nowait)
            for _ in range(context.config["count"]):
                yield json.dumps([await got.get()])
    """, appConfig={"count": len(VALUES)})  # fmt: skip
    for value in VALUES:
        await send(api, instance, "event", value)
    assert await api.read(f"{instance}/output") == "".join(json.dumps([value]) for value in VALUES).encode()


async def test_any_json_value_is_emitted_before_anyone_waits(launch, api):
    instance = await launch(
        "def run(context, input):\n"
        "    for number, value in enumerate(context.config['values']): context.emit(f'event{number}', value)\n"
        "    context.emit('nothing')\n",
        appConfig={"values": VALUES},
    )
    await api.ended(instance)
    for number, value in enumerate(VALUES):
        assert (await api.get(f"{instance}/event/event{number}")).json == value
    assert (await api.get(f"{instance}/event/nothing")).json == ""


async def test_lone_surrogates_in_what_is_told_the_hub_do_no_harm(launch, api):
    instance = await launch(r"""
        def run(context, input):
            context.emit("event", "lone \udcff")
            raise ValueError("lone \ud800")
    """)
    info = await api.ended(instance)
    assert info["error"] == "ValueError: lone ?"
    assert (await api.get(f"{instance}/event/event")).json == "lone ?"
    assert (await api.get("/instances")).status == 200


async def test_what_is_no_json_value_fails_where_it_is_emitted(result):
    output, info = await result("""
        def run(context, input):
            try: context.emit("event", object())
            except TypeError as error: return str(error)
    """)
    assert output == b"$: object is not JSON serializable; give a dict, a list, a dataclass or str() of it"
    assert info["status"] == "completed"


async def test_listeners_may_be_sync_or_async_or_decorated_and_many(launch, api):
    instance = await launch("""
        import asyncio
        async def run(context, input):
            got, done = [], asyncio.Event()
            context.on("event", lambda message: got.append("sync " + message))
            @context.on("event")
            async def later(message):
                await asyncio.sleep(0)
                got.append("async " + message)
            @context.on("last")
            def last(message): done.set()
            assert asyncio.iscoroutinefunction(later) and last is not None
            await done.wait()
            return ", ".join(got)
    """)
    await send(api, instance, "event", "a")
    await send(api, instance, "other", "b")
    await send(api, instance, "last", None)
    assert await api.read(f"{instance}/output") == b"sync a, async a"


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_a_listener_that_fails_is_logged_and_harms_nobody(kind, launch, api, log):
    instance = await launch(f"""
        import asyncio
        async def run(context, input):
            {kind} bad(message): raise ValueError("bad listener")
            got = asyncio.Event()
            context.on("event", bad)
            context.on("event", lambda message: got.set())
            await got.wait()
    """)
    await send(api, instance, "event", 1)
    assert (await api.ended(instance))["status"] == "completed"
    (entry,) = await log(instance)
    assert entry["level"] == "ERROR"
    assert entry["msg"].startswith("The listener for event 'event' failed\nTraceback")
    assert entry["msg"].endswith("ValueError: bad listener")


async def test_events_go_from_instance_to_instance_with_their_source(launch, api):
    listener = await launch("""
        import asyncio, json
        async def run(context, input):
            got = asyncio.Queue()
            context.on("hello", lambda message: got.put_nowait([message, context.event_source]))
            context.emit("listening")
            for _ in range(2): yield json.dumps(await got.get()) + "\\n"
    """)
    assert (await api.get(f"{listener}/event/listening")).json == ""
    speaker = await launch("""
        import asyncio
        async def run(context, input):
            got = asyncio.Event()
            context.on("hello", lambda message: got.set())
            context.emit("hello", {"to": "all"})
            assert context.event_source is None
            await got.wait()
            assert False, "an Instance does not hear itself"
    """)
    await api.get(f"{speaker}/event/hello")
    await send(api, listener, "hello", "from outside")
    lines = (await api.read(f"{listener}/output")).splitlines()
    assert [json.loads(line) for line in lines] == [
        [{"to": "all"}, speaker.rpartition("/")[2]],
        ["from outside", "api"],
    ]
    assert (await api.get(speaker)).json["status"] == "running"


async def test_threads_may_emit(launch, api):
    instance = await launch("""
        import threading
        def run(context, input):
            def work(number):
                for index in range(200): context.emit(f"event{number}", index)
            threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
    """)
    assert (await api.ended(instance))["status"] == "completed"
    for number in range(4):
        assert (await api.get(f"{instance}/event/event{number}")).json == 199
