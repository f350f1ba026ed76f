"""The Sequence's threads and processes that an interpreter would wait for at its end."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import traceback


def running() -> list[str]:
    """Names of the threads and processes that have not ended."""
    processes = sys.modules.get("multiprocessing.process")  # a runner doesn't import multiprocessing itself
    children = processes.active_children() if processes is not None else []
    return [thread.name for thread in _threads()] + [child.name for child in children if not child.daemon]


def join() -> None:
    """Wait for all threads that are not daemons, and for the work of pools and executors."""
    # What threading._shutdown() does; it can't be called here, since it waits for the main thread as well.
    for call in reversed(threading._threading_atexits):  # type: ignore[attr-defined]
        try:
            call()
        except BaseException:  # noqa: BLE001 - what it was to end is waited for below
            traceback.print_exc()
    while threads := _threads():
        threads[0].join()


def joined(loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
    """A future that is done when :func:`join` is, in a thread of its own."""
    future = loop.create_future()

    def resolve() -> None:
        if not future.done():
            future.set_result(None)

    def wait() -> None:
        join()
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(resolve)

    threading.Thread(target=wait, name="join", daemon=True).start()
    return future


def _threads() -> list[threading.Thread]:
    own = threading.main_thread(), threading.current_thread()
    return [thread for thread in threading.enumerate() if not thread.daemon and thread not in own]
