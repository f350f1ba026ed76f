"""The event loop in the background, and what runs in the caller's thread."""

import asyncio
import contextvars
import os
import signal
import threading

import pytest

from transform_hub.sync.portal import Call, Portal, current_call, portal
from until import until

OWN = contextvars.ContextVar("own")


async def here():
    return threading.current_thread().name


def test_it_is_one_thread_for_all():
    assert portal() is portal()
    assert portal().run(here) == "transform-hub"


def test_errors_come_back():
    async def fails():
        raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        portal().run(fails)


def test_a_call_sees_the_callers_context():
    async def look():
        return OWN.get()

    OWN.set("mine")
    assert portal().run(look) == "mine"


def test_it_can_not_wait_for_itself():
    async def impatient():
        portal().run(here)

    with pytest.raises(RuntimeError, match="use the async client"):
        portal().run(impatient)


def test_the_caller_does_what_the_call_asks_for():
    async def ask():
        return await current_call().ask(threading.current_thread)

    assert portal().run(ask) is threading.current_thread()


@pytest.mark.parametrize(("raised", "expected"), [(KeyError("x"), KeyError), (StopIteration(), RuntimeError)])
def test_what_the_caller_raises_reaches_the_call(raised, expected):
    def fail():
        raise raised

    async def ask():
        with pytest.raises(expected):
            await current_call().ask(fail)
        return "went on"

    assert portal().run(ask) == "went on"


def test_a_call_within_a_call():
    async def ask():
        return await current_call().ask(lambda: portal().run(here))

    assert portal().run(ask) == "transform-hub"


def test_ctrl_c_cancels_the_call_and_waits_for_its_end():
    seen = []

    async def endless():
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            seen.append("unwound")

    with pytest.raises(KeyboardInterrupt):
        portal().run(endless)
    assert seen == ["unwound"]


@pytest.mark.parametrize("moment", ["before", "over"])
def test_ctrl_c_at_the_begin_or_the_end_of_a_call(monkeypatch, moment):
    taken = Call._next_job

    def interrupted(call):
        monkeypatch.undo()
        if moment == "over":
            assert taken(call) is None
        raise KeyboardInterrupt

    async def nothing():
        await asyncio.sleep(0)

    monkeypatch.setattr(Call, "_next_job", interrupted)
    with pytest.raises(KeyboardInterrupt):
        portal().run(nothing)


def test_ctrl_c_interrupts_what_the_call_asked_for():
    def block():
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait()

    async def ask():
        await current_call().ask(block)

    with pytest.raises(KeyboardInterrupt):
        portal().run(ask)


def test_closing_ends_what_runs():
    own = Portal("own")
    seen = []

    async def endless():
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("ended")

    async def begin():
        seen.append(asyncio.ensure_future(endless()))
        await asyncio.sleep(0)

    own.run(begin)
    own.close()
    assert seen[1:] == ["ended"]
    assert "own" not in [thread.name for thread in threading.enumerate()]


def test_other_threads_go_on_while_one_waits():
    """A call that waits holds nobody up: the other one ends it."""
    gate = []

    async def wait():
        gate.append(asyncio.Event())
        await gate[0].wait()

    async def open_gate():
        await until(lambda: gate)
        gate[0].set()

    waiting = threading.Thread(target=lambda: portal().run(wait))
    waiting.start()
    portal().run(open_gate)
    waiting.join(10)
    assert not waiting.is_alive()
