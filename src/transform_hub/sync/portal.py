"""The event loop behind the sync clients: one thread of the process, in which all that is async happens.

    a thread that calls                          the portal's thread

    run(function) ───────── start ─────────────> a task with its coroutine
      waits, and works for it <─── job ───────── ask(): a fresh token, chunks of an iterable
                              ──── outcome ────>
      Ctrl-C ────────────────────── cancel ────> the task unwinds
      returns or raises <──── over ───────────── the task is done

What a user hands over (iterables, open files, functions) runs in the thread that made the call, while it waits:
it may block, is interrupted by Ctrl-C, and finds its thread's locals. The thread is a daemon that ends, with all
its connections, when the interpreter does. After a fork the child has a portal of its own.
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

try:  # here, because it can't be imported any more in a thread that goes on when the main one has ended
    import uvloop
except ImportError:  # it is not for every platform
    uvloop = None  # type: ignore[assignment]

P = ParamSpec("P")
T = TypeVar("T")

SIGNALS = 0.2
"""Seconds that Ctrl-C may take in the worst case."""

AT_THE_END = "The interpreter ends: no more calls can be made"

_CALL: ContextVar[Call[Any]] = ContextVar("transform_hub_call")


class Call(Generic[T]):
    """One coroutine that runs in a portal while its caller waits.

    Args:
        make: makes it. That happens in the portal: a coroutine that the caller had would be one that was never awaited
            if a signal came just then.
        loop: of the portal.
    """

    def __init__(self, make: Callable[[], Coroutine[Any, Any, T]], loop: asyncio.AbstractEventLoop) -> None:
        self.is_over = False
        self._make = make
        self._loop = loop
        self._task: asyncio.Task[T] | None = None
        self._inbox: SimpleQueue[Callable[[], object] | None] = SimpleQueue()  # None: it is over

    # --- in the caller's thread -----------------------------------------------------------------------------

    def wait(self) -> T:
        """Run it and do the jobs that come from it meanwhile; whatever interrupts this cancels it."""
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
        """Whether the caller has something else to do than what it does now."""
        return not self._inbox.empty()

    def _cancel(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._cancel_task)
            while self._next_job() is not None:
                pass

    def _next_job(self) -> Callable[[], object] | None:
        # A signal that comes just before the thread falls asleep does not wake it, so the main thread, where
        # Python handles signals, looks for them now and then.
        patience = SIGNALS if threading.current_thread() is threading.main_thread() else None
        while True:
            with contextlib.suppress(Empty):
                return self._inbox.get(timeout=patience)

    # --- in the portal's thread -----------------------------------------------------------------------------

    def post(self, job: Callable[[], object]) -> None:
        """Let the caller do something; what it raises there ends the call."""
        self._inbox.put(job)

    async def ask(self, function: Callable[[], T]) -> T:
        """Let the caller run a function, and wait for what it returns or raises."""
        outcome: asyncio.Future[T] = self._loop.create_future()

        def job() -> None:
            try:
                value = function()
            except StopIteration as stop:  # no future takes one
                self._loop.call_soon_threadsafe(_fail, outcome, RuntimeError(f"{function!r} raised {stop!r}"))
            except Exception as error:  # noqa: BLE001 - it is raised where the function was asked for
                self._loop.call_soon_threadsafe(_fail, outcome, error)
            else:
                self._loop.call_soon_threadsafe(_settle, outcome, value)

        self.post(job)
        return await outcome

    def _start(self) -> None:
        _CALL.set(self)
        self._task = self._loop.create_task(self._main())
        self._task.add_done_callback(self._finish)

    async def _main(self) -> T:
        return await self._make()

    def _cancel_task(self) -> None:
        if self._task is None:  # interrupted before it was started
            self._inbox.put(None)
        else:
            self._task.cancel()

    def _finish(self, task: asyncio.Task[T]) -> None:
        self.is_over = True
        if not task.cancelled():
            task.exception()  # the caller may not look at it any more
        # Who still waits at the end of the interpreter is a daemon thread: it sleeps on, rather than fail.
        if not _ending:
            self._inbox.put(None)


def _settle(outcome: asyncio.Future[T], value: T) -> None:
    if not outcome.done():
        outcome.set_result(value)


def _fail(outcome: asyncio.Future[Any], error: BaseException) -> None:
    if not outcome.done():
        outcome.set_exception(error)


def current_call() -> Call[Any] | None:
    """The call that the running task belongs to, as long as somebody waits for it."""
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
            raise RuntimeError("A sync client can't be used in the thread that serves it: take the async one")
        return Call(functools.partial(function, *args, **options), self._loop).wait()

    def post(self, function: Callable[[], object]) -> None:
        """Run a function some time in the portal's thread; from any thread, also while it is collecting garbage."""
        with contextlib.suppress(RuntimeError):  # the loop is closed, and all connections with it
            self._loop.call_soon_threadsafe(function)

    def close(self) -> None:
        """End what runs, close the connections, end the thread."""
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
_lock = threading.RLock()  # a finalizer may come in while the thread holds it
_ending = False


def portal() -> Portal:
    """The portal of this process, started when it is first needed.

    Raises:
        RuntimeError: the interpreter ends.
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
        RuntimeError: the interpreter ends; or this is the portal's own thread.
    """
    try:
        found = portal()
    except RuntimeError:
        refuse()
    return found.run(function, *args, **options)


def refuse() -> NoReturn:
    """Run nothing, as the interpreter ends; a daemon thread, of which nobody wants to hear any more, sleeps.

    Raises:
        RuntimeError: the interpreter ends.
    """
    if threading.current_thread().daemon:
        threading.Event().wait()
    raise RuntimeError(AT_THE_END)


def post(function: Callable[[], object]) -> None:
    """Run a function some time in the portal's thread, if there is one."""
    if _portal is not None:
        _portal.post(function)


def can_run() -> bool:
    """Whether calls can be made in this thread now."""
    return not _ending and not (_portal is not None and _portal.is_here)


def keep_for_ever(thing: object) -> None:
    """Never free what belongs to the process that this one was forked from: its descriptors are shared."""
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


# Registered when the module is imported, so that what users register later may still make calls.
atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
