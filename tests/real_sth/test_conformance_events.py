"""Events between a client and an Instance."""

import asyncio
import contextlib

import pytest

from transform_hub.errors import HubTimeoutError


@pytest.fixture
async def instance(start):
    """An Instance that answers events; STH says that it was started before it does."""
    instance = await start("events")
    async with contextlib.aclosing(instance.get_log().json()) as entries:
        while (await anext(entries))["msg"] != "Waiting for events":
            pass
    return instance


async def test_an_event_is_answered(instance):
    await instance.send_event("celsius", "100")
    assert "212" in str(await instance.get_event("fahrenheit", timeout=10))


@pytest.mark.beyond("event values", "event messages")
async def test_messages_are_any_json_value(instance):
    await instance.send_event("celsius", 100)
    assert await instance.get_event("fahrenheit", timeout=10) == 212


async def test_waiting_has_an_end(instance):
    with pytest.raises(HubTimeoutError):
        await instance.get_event("nothing", timeout=0.2)


async def test_the_next_event(instance):
    await instance.send_event("celsius", "0")
    await instance.get_event("fahrenheit", timeout=10)
    waiting = asyncio.ensure_future(instance.get_next_event("fahrenheit", timeout=10))
    while not waiting.done():  # it may not be waiting yet when an event passes
        await instance.send_event("celsius", "100")
        await asyncio.wait({waiting}, timeout=0.05)
    assert "212" in str(await waiting)


async def test_a_stream_of_events(instance):
    async with instance.get_event_stream("fahrenheit") as events:
        messages = events.json()
        for celsius, fahrenheit in (("0", "32"), ("10", "50"), ("100", "212")):
            await instance.send_event("celsius", celsius)
            assert fahrenheit in str(await asyncio.wait_for(anext(messages), 10))
