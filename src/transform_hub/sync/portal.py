"""The event loop behind the sync clients, in one thread of the process.

    a thread that calls                          the portal's thread

    run(function) ───────── start ─────────────> a task with its coroutine
      waits, and works for it <─── job ───────── ask(): a fresh token, chunks of an iterable
                              ──── outcome ────>
      Ctrl-C ────────────────────── cancel ────> the task unwinds
      returns or raises <──── over ───────────── the task is done

Iterables, open files and functions that are passed in run in the thread that made the call, while it waits: they may
block, are interrupted by Ctrl-C, and see that thread's locals. The portal's thread is a daemon that ends, with all its
connections, together with the interpreter. After a fork the child has a portal of its own.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import ctypes
import functools
import os
import threading
from collections.abc import Callable, Coroutine
from contextvars import ContextVar, copy_context
from queue import Empty, SimpleQueue
from typing import Any, Generic, NoReturn, ParamSpec, TypeVar

from transform_hub.served import CALLER

try:  # here: a thread can't import it any more when the main thread has ended
    import uvloop
except ImportError:  # not on every platform
    uvloop = None  # type: ignore[assignment]

P = ParamSpec("P")
T = TypeVar("T")

SIGNALS = 0.2
"""Seconds until Ctrl-C is noticed in the worst case."""

AT_THE_END = "No more calls can be made: the interpreter is shutting down"

_CALL: ContextVar[Call[Any]] = ContextVar("transform_hub_call")


class Call(Generic[T]):
    """One coroutine that runs in a portal while its caller waits.

    Args:
        make: makes the coroutine. It is called in the portal: a signal could come between the making of a coroutine and
            its start, and leave it never awaited.
        loop: of the portal.
    """

    def __init__(self, make: Callable[[], Coroutine[Any, Any, T]], loop: asyncio.AbstractEventLoop) -> None:
        self.is_over = False
        self._make = make
        self._loop = loop
        self._caller = threading.get_ident()
        self._task: asyncio.Task[T] | None = None
        self._inbox: SimpleQueue[Callable[[], object] | None] = SimpleQueue()  # None: it is over

    # --- in the caller's thread -----------------------------------------------------------------------------

    def wait(self) -> T:
        """Run it, and do its jobs meanwhile; an exception here cancels it."""
        try:
            try:
                self._loop.call_soon_threadsafe(self._start, context=copy_context())
            except RuntimeError:  # the loop was closed since the caller got its portal
                refuse()
            while (job := self._next_job()) is not None:
                job()
        except BaseException:
            self._cancel()
            raise
        assert self._task is not None
        return self._task.result()

    @property
    def is_wanted(self) -> bool:
        """Whether another job waits for the caller."""
        return not self._inbox.empty()

    def _cancel(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._cancel_task)
            # What says that it is over may have been taken from the inbox, and lost, when the exception came.
            while not self.is_over and self._next_job() is not None:
                pass

    def _next_job(self) -> Callable[[], object] | None:
        # A signal just before the thread falls asleep does not wake it, so the main thread, where Python handles
        # signals, wakes up now and then.
        patience = SIGNALS if threading.current_thread() is threading.main_thread() else None
        while True:
            with contextlib.suppress(Empty):
                return self._inbox.get(timeout=patience)

    # --- in the portal's thread -----------------------------------------------------------------------------

    def post(self, job: Callable[[], object]) -> None:
        """Let the caller run a job; an exception in it ends the call."""
        self._inbox.put(job)

    async def ask(self, function: Callable[[], T]) -> T:
        """Let the caller run a function, and wait for what it returns or raises."""
        outcome: asyncio.Future[T] = self._loop.create_future()

        def job() -> None:
            try:
                value = function()
            except StopIteration as stop:  # a future can't hold it
                self._loop.call_soon_threadsafe(_fail, outcome, RuntimeError(f"{function!r} raised {stop!r}"))
            except Exception as error:  # noqa: BLE001 - it is raised from ask()
                self._loop.call_soon_threadsafe(_fail, outcome, error)
            else:
                self._loop.call_soon_threadsafe(_settle, outcome, value)

        self.post(job)
        return await outcome

    def _start(self) -> None:
        _CALL.set(self)
        CALLER.set(self._caller)
        self._task = self._loop.create_task(self._main())
        self._task.add_done_callback(self._finish)

    async def _main(self) -> T:
        return await self._make()

    def _cancel_task(self) -> None:
        if self._task is None:  # interrupted before it was started
            self.is_over = True
            self._inbox.put(None)
        else:
            self._task.cancel()

    def _finish(self, task: asyncio.Task[T]) -> None:
        self.is_over = True
        if not task.cancelled():
            task.exception()  # the caller may be gone
        # A thread that still waits when the interpreter ends is a daemon: let it sleep rather than fail.
        if not _ending:
            self._inbox.put(None)


def _settle(outcome: asyncio.Future[T], value: T) -> None:
    if not outcome.done():
        outcome.set_result(value)


def _fail(outcome: asyncio.Future[Any], error: BaseException) -> None:
    if not outcome.done():
        outcome.set_exception(error)


def current_call() -> Call[Any] | None:
    """The call of the running task, while somebody waits for it."""
    call = _CALL.get(None)
    return None if call is None or call.is_over else call


class Portal:
    """An event loop in a thread of its own.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str = "transform-hub") -> None:
        self._loop = (uvloop or asyncio).new_event_loop()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    @property
    def is_here(self) -> bool:
        """Whether this is the portal's own thread."""
        return threading.get_ident() == self._thread.ident

    def run(self, function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **options: P.kwargs) -> T:
        """Run a coroutine function and wait for it.

        Raises:
            RuntimeError: this is the portal's own thread, which can't wait for itself.
        """
        if self.is_here:
            raise RuntimeError("A sync client can't be used in the thread that runs it: use the async client")
        return Call(functools.partial(function, *args, **options), self._loop).wait()

    def post(self, function: Callable[[], object]) -> None:
        """Run a function later in the portal's thread; may be called from any thread, also by the garbage collector."""
        with contextlib.suppress(RuntimeError):  # the loop is closed, and all connections with it
            self._loop.call_soon_threadsafe(function)

    def close(self) -> None:
        """Cancel the tasks, close the connections, end the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(_end_tasks())
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()


async def _end_tasks() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


_portal: Portal | None = None
_lock = threading.RLock()  # a finalizer may run while this thread holds it
_ending = False


def portal() -> Portal:
    """The portal of this process, started when it is first needed.

    Raises:
        RuntimeError: the interpreter is shutting down.
    """
    global _portal  # noqa: PLW0603 - there is one for each process
    if _portal is None:
        with _lock:
            if _ending:
                raise RuntimeError(AT_THE_END)
            _portal = _portal or Portal()
    return _portal


def run(function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **options: P.kwargs) -> T:
    """Run a coroutine function in the portal of this process and wait for it.

    Raises:
        RuntimeError: the interpreter is shutting down; or this is the portal's own thread.
    """
    try:
        found = portal()
    except RuntimeError:
        refuse()
    return found.run(function, *args, **options)


def refuse() -> NoReturn:
    """Refuse a call because the interpreter is shutting down; a daemon thread sleeps instead.

    Raises:
        RuntimeError: the interpreter is shutting down.
    """
    if threading.current_thread().daemon:
        threading.Event().wait()
    raise RuntimeError(AT_THE_END)


def post(function: Callable[[], object]) -> None:
    """Run a function later in the portal's thread, if there is one."""
    if _portal is not None:
        _portal.post(function)


def can_run() -> bool:
    """Whether calls can be made in this thread now."""
    return not _ending and not (_portal is not None and _portal.is_here)


def keep_for_ever(thing: object) -> None:
    """Never free an object of the parent process: its descriptors are shared."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _at_exit() -> None:
    global _ending, _portal  # noqa: PLW0603
    with _lock:
        _ending = True
        ended, _portal = _portal, None
    if ended is not None:
        ended.close()


def _after_fork() -> None:
    global _lock, _portal  # noqa: PLW0603
    _lock = threading.RLock()
    if _portal is not None:
        keep_for_ever(_portal)
        _portal = None


# Registered at import, so that exit handlers that users register later run before it and may make calls.
atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
