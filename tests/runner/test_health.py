"""Health checks and heartbeats."""

import asyncio

import pytest

from until import until


async def health(api, instance):
    answer = (await api.get(f"{instance}/health")).json
    assert isinstance(answer.pop("processId"), int)
    del answer["traffic"]
    answer.pop("answeredAgo", None)
    return answer


async def rate(api, instance, per_second):
    assert (await api.post(f"{instance}/_monitoring_rate", [4001, {"monitoringRate": per_second}])).status == 202


async def test_by_default_it_is_healthy(launch, api):
    instance = await launch(
        "import os\ndef run(context, input):\n    context.emit('pid', os.getpid())\n    return input"
    )
    pid = (await api.get(f"{instance}/event/pid")).json
    answer = (await api.get(f"{instance}/health")).json
    assert (answer["healthy"], answer["processId"]) == (True, pid)


async def test_it_comes_with_the_bytes_that_each_stream_has_carried(launch, api):
    instance = await launch("def run(context, input):\n    print('é', flush=True)\n    return input")
    await api.input(instance, b"four")
    assert await api.read(f"{instance}/output") == b"four"
    await api.read(f"{instance}/stdout")
    traffic = (await api.get(f"{instance}/health")).json["traffic"]
    assert traffic == {"input": 4, "stdin": 0, "output": 4, "stdout": 3, "stderr": 0}


REFUSED = "UnserializableError: $.a: object is not JSON serializable; give a dict, a list, a dataclass or str() of it"

CHECKS = {
    "sync": ("def check(): return {'healthy': True, 'a': [1]}", {"healthy": True, "a": [1]}),
    "async": (
        "async def check():\n    await asyncio.sleep(0)\n    return {'healthy': False, 'why': 'ä'}",
        {"healthy": False, "why": "ä"},
    ),
    "nothing": ("def check(): pass", {"healthy": True}),
    "extra only": ("def check(): return {'load': 0.5}", {"healthy": True, "load": 0.5}),
    "raises": ("def check(): 1 / 0", {"healthy": False, "error": "ZeroDivisionError: division by zero"}),
    "async raises": ("async def check(): 1 / 0", {"healthy": False, "error": "ZeroDivisionError: division by zero"}),
    "no JSON": (
        "def check(): return {'a': object()}",
        {
            "healthy": False,
            "error": REFUSED,
        },
    ),
    "no dict": ("def check(): return 5", {"healthy": False, "error": "TypeError: 'int' object is not a mapping"}),
    "lone surrogate": (r"def check(): return {'a': '\ud800'}", {"healthy": True, "a": "?"}),
}


async def health_after(api, instance, expected):
    """The health that an Instance tells, unless it is still from before the check."""
    answer = await health(api, instance)
    return answer if answer == expected or answer != {"healthy": True} else None


async def test_checks_of_ones_own(launch, api):
    async def checked(check, expected):
        instance = await launch(
            f"{check}\ndef run(context, input):\n    context.set_health_check(check)\n    return input"
        )
        await rate(api, instance, 20)
        answer = await until(lambda: health_after(api, instance, expected))
        await api.post(f"{instance}/_kill")  # so many at once would keep the machine busy
        return answer

    answers = {kind: await checked(f"import asyncio\n{check}", expected) for kind, (check, expected) in CHECKS.items()}
    assert answers == {kind: expected for kind, (_, expected) in CHECKS.items()}


async def test_checks_are_asked_again_and_again(launch, api):
    instance = await launch("""
        import itertools
        def run(context, input):
            count = itertools.count()
            context.set_health_check(lambda: {"count": next(count)})
            return input
    """)
    await rate(api, instance, 1000)
    await api.until(f"{instance}/health", lambda health: health.get("count", 0) >= 20)


async def test_heartbeats_go_on_while_the_event_loop_is_blocked(launch, api, hub):
    instance = await launch("""
        import asyncio, time
        async def run(context, input):
            asked = asyncio.Event()
            context.set_health_check(lambda: asked.set() or {"checked": True})
            await asked.wait()
            context.emit("blocked")
            time.sleep(1000)
    """)
    await rate(api, instance, 1000)
    await api.get(f"{instance}/event/blocked")
    beats = 0
    control = api.instance(instance).streams.control
    receive = control._on_message

    def count(message):
        nonlocal beats
        beats += message["type"] == "health"
        receive(message)

    control._on_message = count
    await until(lambda: beats >= 5)
    assert await health(api, instance) == {"healthy": True, "checked": True}


async def test_a_check_that_hangs_does_not_hold_heartbeats_back(launch, api):
    instance = await launch("""
        import asyncio
        def run(context, input):
            async def check(): await asyncio.sleep(1000)
            context.set_health_check(check)
            return input
    """)
    await rate(api, instance, 100)
    said = {"healthy": False, "error": "The health check has not answered for 5 s"}
    assert await health(api, instance) == said
    assert await health(api, instance) == said
    await api.post(f"{instance}/_stop", {"timeout": 7000})
    assert (await api.ended(instance))["terminated"]["exitcode"] == 138


async def test_while_it_is_loaded_health_is_answered_all_the_same(launch, api):
    instance = await launch("import time\ntime.sleep(1000)\ndef run(context, input): pass")
    assert (await api.get(instance)).json["status"] == "starting"
    assert await health(api, instance) == {"healthy": False, "error": "The Sequence has not answered for 5 s"}


HOLD = "ctypes.PyDLL(None).sleep(1000)"
"""Keeps Python's lock."""


async def test_the_age_of_an_answer_is_told(launch, api):
    instance = await launch(f"""
        import ctypes
        def run(context, input):
            context.set_health_check(lambda: {{"healthy": False, "queue": 7}})
            context.on("go", lambda message: {HOLD})
            return input
    """)
    await rate(api, instance, 1000)
    await api.until(f"{instance}/health", lambda health: health["answeredAgo"] < 500)
    await api.post(f"{instance}/_event", [5001, {"eventName": "go", "message": None}])
    told = await api.until(f"{instance}/health", lambda health: health["answeredAgo"] > 1000)
    assert (told["healthy"], told["queue"]) == (False, 7)


@pytest.mark.parametrize("block", ["time.sleep(1000)", HOLD])
async def test_a_sequence_without_checks_that_blocks_is_healthy(block, launch, api):
    instance = await launch(f"import ctypes, time\ndef run(context, input): {block}")
    await api.until(f"{instance}/health", lambda health: health["healthy"] and health["answeredAgo"] > 1500)


async def test_a_sequence_with_checks_that_blocks_before_they_answer_is_not(launch, api):
    instance = await launch(f"""
        import ctypes
        def run(context, input):
            context.set_health_check(lambda: True)
            {HOLD}
    """)
    assert await health(api, instance) == {"healthy": False, "error": "The health check has not answered for 5 s"}


@pytest.mark.parametrize("message", [{"age": -1}, {"age": 10**400}, {"checks": 0.5}, {"age": "old"}])
async def test_heartbeats_of_a_sequences_own_are_checked(message, launch, api, hub):
    instance = await launch("def run(context, input): return input")
    before = (await api.get(f"{instance}/health")).json
    api.instance(instance).run.receive({"type": "health", "health": {"healthy": False}, **message})
    assert (await api.get(f"{instance}/health")).json["healthy"] is before["healthy"] is True


NEVER_HEALTHY = {
    "set while it is loaded": "import time\ntime.sleep(1.5)\ndef run(context, input):\n    {set}\n    return input",
    "set in a generator": "async def run(context, input):\n    {set}\n    async for line in input: yield line",
    "set before it blocks": "import time\ndef run(context, input):\n    {set}\n    time.sleep(1.5)\n    return input",
    "set twice": "def run(context, input):\n    context.set_health_check(lambda: True)\n    {set}\n    return input",
}


@pytest.mark.parametrize("kind", NEVER_HEALTHY)
async def test_it_is_never_healthy_before_its_own_checks_say_so(kind, launch, api, package):
    source = NEVER_HEALTHY[kind].format(set="context.add_monitoring_handler(lambda: False)")
    sequence = await api.send(package(source))
    starting = asyncio.ensure_future(api.start(sequence, instanceId="i" * 36))
    instance = f"/instance/{'i' * 36}"
    while (await api.get(instance)).status == 404:
        await asyncio.sleep(0)
    assert await health(api, instance) == {"healthy": False}
    await starting


async def test_after_the_end_it_is_not_healthy(launch, api):
    instance = await launch("def run(context, input): 1 / 0")
    await api.ended(instance)
    answer = await health(api, instance)
    assert answer["healthy"] is False, answer
