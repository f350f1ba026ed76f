"""Runs the scenarios against a Hub: one of its own, or the one that LOCAL_HOST_BASE_URL names.

    behave                                                          an embedded Hub is started
    LOCAL_HOST_BASE_URL=http://127.0.0.1:8000/api/v1 behave         that Hub is used; SCRAMJET_TOKEN is its token

Hub, client and steps share one event loop: a step is ``context.run(...)`` of what it awaits.
"""

import asyncio
import contextlib
import os
import tempfile
from pathlib import Path

from transform_hub.client import HostClient
from transform_hub.errors import BadRequestError, HubError
from transform_hub.hub.server import serve

STEP_TIMEOUT = 30
"""Seconds after which a step that waits has failed."""


def before_all(context):
    context.loop = asyncio.new_event_loop()
    context.run = lambda awaitable: context.loop.run_until_complete(asyncio.wait_for(awaitable, STEP_TIMEOUT))
    context.stack = contextlib.AsyncExitStack()
    context.root = Path(__file__).parent.parent
    url = os.environ.get("LOCAL_HOST_BASE_URL") or context.run(_embedded(context)).url
    context.host = context.run(
        context.stack.enter_async_context(HostClient(url, token=os.environ.get("SCRAMJET_TOKEN")))
    )
    version = context.run(context.host.get_version()).version
    context.is_old = version.startswith("0.")
    example = context.root / "examples" / "sequences" / "greeting" / "javascript"
    context.missing = context.run(_missing(context.host, version, example))


def after_all(context):
    context.run(context.stack.aclose())
    context.loop.run_until_complete(context.loop.shutdown_default_executor())
    context.loop.close()


def before_scenario(context, scenario):
    context.instances, context.sequences, context.topics = [], [], []
    for tag in scenario.effective_tags:
        if tag in context.missing:
            scenario.skip(context.missing[tag])


def after_scenario(context, scenario):
    for instance in context.instances:
        context.run(_forget(instance.kill(remove_immediately=True)))
    for sequence in context.sequences:
        context.run(_forget(sequence.delete(force=True)))
    for topic in context.topics:
        context.run(_forget(topic.delete()))


async def _embedded(context):
    data = context.stack.enter_context(tempfile.TemporaryDirectory(prefix="behave-hub-"))
    return await context.stack.enter_async_context(serve(port=0, data_dir=data))


async def _forget(call):
    with contextlib.suppress(HubError):
        await call


async def _missing(host, version, example):
    """Tags of the scenarios that this Hub can't serve, and why."""
    if version.startswith("0."):
        reason = f"the Hub is of release {version}"
        return {"python": f"{reason}, whose Python runner fails on today's Python", "since-1.0": reason}
    sequence = await host.send_sequence(example)
    try:
        await sequence.start()
    except BadRequestError as error:
        return {"javascript": error.message}
    finally:
        await sequence.delete(force=True)
    return {}
