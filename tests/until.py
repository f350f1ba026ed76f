"""Wait for a state that nothing announces.

There is no bound here: pytest-timeout fails a test that waits for ever, and ``waited_for`` says what for.
"""

import asyncio
import inspect
import sys
import time
import traceback
from pathlib import Path

TESTS = str(Path(__file__).parent)
PAUSE = 0.002  # seconds
_waiting = {}


async def until(condition, pause=PAUSE):
    """What ``condition()`` gives, sync or async, as soon as it is truthy.

    Args:
        condition: is called again and again.
        pause: seconds between two calls; 0 asks in every turn of the event loop, for a state that passes quickly.
    """
    frame = sys._getframe()
    callers = [each for each in traceback.walk_stack(frame.f_back) if each[0].f_code.co_filename.startswith(TESTS)]
    _waiting[frame] = condition, traceback.StackSummary.extract(iter(callers), lookup_lines=False)
    try:
        while True:
            value = condition()
            if inspect.isawaitable(value):
                value = await value
            if value:
                return value
            await asyncio.sleep(pause)
    finally:
        del _waiting[frame]


def until_sync(condition, pause=PAUSE):
    """The same where there is no event loop; a timeout's traceback shows what was waited for."""
    while not (value := condition()):
        time.sleep(pause)
    return value


def waited_for():
    """The conditions of all that wait in ``until``, each below the lines that led there."""
    return "".join(f"{''.join(reversed(stack.format()))}{condition}\n" for condition, stack in _waiting.values())


def steady(figure, looks=20):
    """A condition: ``figure()`` is truthy and the same at so many looks one after the other."""
    seen, last = 0, None

    def look():
        nonlocal seen, last
        now = figure()
        seen, last = (seen + 1 if now == last else 1), now
        return now and seen >= looks

    return look
