"""Waiting for a state of an Instance, and finding out why a stream broke off.

The API has no call that waits for a state: the client polls with growing pauses, and a stream of events, which ends
with the Instance, wakes it at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from typing import TYPE_CHECKING, Any, TypeVar

from transform_hub.client.failures import may_pass
from transform_hub.errors import (
    HubError,
    InstanceEndedError,
    InstanceGoneError,
    InstanceRestartedError,
    InstanceTimeoutError,
    NotFoundError,
    RequestError,
    StreamError,
)
from transform_hub.models import InputPosition, InstanceInfo, Terminated

if TYPE_CHECKING:
    from transform_hub.client.instance import InstanceClient
    from transform_hub.client.instance_streams import InstanceStreams

T = TypeVar("T")

EXPLAINING = 2.0
"""Seconds for finding out why a stream broke off."""

NOTICING = 0.1
"""Seconds from a Hub's loss of a runner's streams until it knows that the runner has ended."""

FIRST_PAUSE = 0.01
"""Seconds before the second poll; each further pause is longer by half."""

LONGEST_PAUSE = 1.0

NO_EVENT = "transform-hub.client.wait"
"""An event that no Instance sends."""


async def terminated(instance: InstanceClient, patience: float | None) -> Terminated:
    """Wait until an Instance has ended, also over restarts of the Hub.

    Args:
        instance: the Instance.
        patience: seconds that the Hub may be away at a time; None is no limit.

    Raises:
        NotFoundError: there is no such Instance.
        InstanceGoneError: the Hub forgot it before it told how it ended.
    """
    async with contextlib.aclosing(_states(instance, patience=patience)) as states:
        info = await anext(states)
    if not info.is_ended:
        async with _end_of_events(instance) as end:
            try:
                async for info in _states(instance, end, patience=patience):
                    if info.is_ended:
                        break
            except NotFoundError as error:
                if past := await _remembered(instance):
                    return past
                raise _gone(instance, error) from None
    return _end_of(instance, info)


async def running(instance: InstanceClient) -> InstanceInfo:
    """Wait until an Instance runs.

    Raises:
        NotFoundError: there is no such Instance.
        InstanceEndedError: it has ended.
    """
    async for info in _states(instance):
        if info.status == "running":
            return info
        if info.is_ended:
            raise _ended(info, {"method": "GET", "url": instance.host.url + instance.path})
    raise AssertionError("_states never ends")


async def gone(instance: InstanceClient) -> None:
    """Wait until the Hub has forgotten an Instance."""
    with contextlib.suppress(NotFoundError):
        async for _ in _states(instance):
            pass


async def in_time(instance: InstanceClient, step: Awaitable[T], limit: float | None, what: str) -> T:
    """Wait for a state of an Instance.

    Raises:
        InstanceTimeoutError: it was not reached in time.
    """
    waiting = asyncio.ensure_future(step)
    try:
        await asyncio.wait({waiting}, timeout=limit)
        if waiting.done():
            return waiting.result()
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    raise InstanceTimeoutError(f"Instance {instance.id} {what} within {limit:g} s", id=instance.id)


async def explain(instance: InstanceStreams, error: StreamError) -> StreamError:
    """If a stream broke off because its Instance, or a run of it, ended, say so."""
    about: dict[str, Any] = {"method": error.method, "url": error.url, "request_id": error.request_id}
    try:
        info = await _last_info(instance)
    except NotFoundError:
        reason = "the Hub has forgotten it"
        return InstanceEndedError(f"The Instance ended; {reason}", exit_code=None, reason=reason, **about)
    except HubError:
        return error
    if info.next_restart is not None:
        message = (
            f"The run of the Instance has ended; open the stream again when the next one begins, at {info.next_restart}"
        )
        return InstanceRestartedError(message, **about)
    return _ended(info, about) if info.is_ended else error


async def has_ended(instance: InstanceStreams) -> bool:
    """Whether an Instance has ended, or is gone."""
    try:
        return (await instance.host.get_instance_info(instance.id)).is_ended
    except NotFoundError:
        return True


async def input_is_taken(instance: InstanceStreams) -> bool:
    """Whether the Hub has all of an Instance's input; True if nobody can say, as with STH."""
    with contextlib.suppress(HubError):
        call = instance.host.transport.call
        return (await call("GET", f"{instance.path}/input", InputPosition, timeout=EXPLAINING)).ended
    return True


async def _states(
    instance: InstanceClient, end: asyncio.Future[None] | None = None, *, patience: float | None = 0
) -> AsyncGenerator[InstanceInfo, None]:
    """Poll an Instance, at once when ``end`` is done."""
    pause, last = FIRST_PAUSE, time.monotonic()
    while True:
        try:
            info = await instance.get_info()
        except RequestError as error:
            if not may_pass(error) or (patience is not None and time.monotonic() - last > patience):
                raise
        else:
            last = time.monotonic()
            yield info
        if end is None or end.done():
            await asyncio.sleep(pause)
        else:
            await asyncio.wait({end}, timeout=pause)
            if end.done():
                pause = FIRST_PAUSE
        pause = min(pause * 1.5, LONGEST_PAUSE)


@contextlib.asynccontextmanager
async def _end_of_events(instance: InstanceClient) -> AsyncIterator[asyncio.Future[None]]:
    async def read() -> None:
        with contextlib.suppress(HubError):
            await instance.get_event_stream(NO_EVENT, idle_timeout=None).read()

    reading = asyncio.ensure_future(read())
    try:
        yield reading
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


def _end_of(instance: InstanceClient, info: InstanceInfo) -> Terminated:
    if info.terminated is None:
        message = f"Instance {instance.id} is {info.status}, and the Hub has no exit code"
        raise InstanceGoneError(message, status=200, method="GET", url=instance.host.url + instance.path)
    if info.status != "errored" and info.terminated.exitcode == -1:
        return Terminated(exitcode=0, reason=info.terminated.reason)  # STH turns 0 into -1
    return info.terminated


def _gone(instance: InstanceClient, error: NotFoundError) -> InstanceGoneError:
    message = f"The Hub forgot Instance {instance.id} before it told how that ended"
    return InstanceGoneError(
        message,
        status=error.status,
        body=error.body,
        method=error.method,
        url=error.url,
        request_id=error.request_id,
        hint="make the Hub keep ended Instances longer",
    )


def _ended(info: InstanceInfo, about: dict[str, Any]) -> InstanceEndedError:
    code, reason = (info.terminated.exitcode, info.terminated.reason) if info.terminated else (None, "")
    told = f" with exit code {code}" if code is not None else ""
    reason = ", ".join(dict.fromkeys(text for text in (reason, info.error) if text))  # they may be the same
    message = f"The Instance is {info.status}{told}" + (f": {reason}" if reason else "")
    return InstanceEndedError(message, exit_code=code, reason=reason or info.status, **about)


async def _remembered(instance: InstanceClient) -> Terminated | None:
    """How an Instance ended, from the Hub's history; STH has none."""
    with contextlib.suppress(HubError):
        for past in await instance.host.list_history():
            if past.id == instance.id:
                return past.terminated
    return None


async def _last_info(instance: InstanceStreams) -> InstanceInfo:
    """The state of the Instance, after the moment that a Hub needs to notice an end."""
    begun = time.monotonic()
    while True:
        call = instance.host.transport.call
        info = await call("GET", instance.path, InstanceInfo, timeout=EXPLAINING)
        patience = EXPLAINING if info.status in ("stopping", "killing") else NOTICING
        if info.is_ended or info.next_restart is not None or time.monotonic() - begun > patience:
            return info
        await asyncio.sleep(NOTICING / 5)
