"""Runs a Python Sequence: loads its file, calls ``run`` and carries its input and output.

    dial channels ─ "start" ─ load file ─ "running" ─ run(context, input, *args) ─ output written ─┐
           "exit" ─ atexit ─ threads, pools and executors have ended ─ tasks cancelled, output closed ┘

The main thread runs the event loop with the Sequence; control has its own thread (see
:mod:`transform_hub.runner.link`). Ways to the end, and the exit code of each:

    run returned and its output is written           0
    asked to stop                                  138
    run, the input or a stream's operator failed    23
    the file can't be loaded                        22
    sys.exit(n)                                      n
    killed                                         137, at once, from the control thread

A stop calls the stop handlers. If there are any, the input ends, and run has the rest of the timeout to come to its
end; otherwise, and when that time is over, it is cancelled. Threads have the rest of the timeout, too.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import inspect
import os
import socket
import threading
import traceback
from collections.abc import Coroutine
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from transform_hub import protocol
from transform_hub.protocol import CHANNELS, Message
from transform_hub.runner import exit_status, log, measuring, operators, origin, sequence, stdio, stream_tasks, threads
from transform_hub.runner.context import Context
from transform_hub.runner.health import Health
from transform_hub.runner.input import Input
from transform_hub.runner.link import Control, dial
from transform_hub.runner.output import Output, pump_output

KILL_GRACE = 1.0
"""Seconds that kill handlers have; the Hub ends the process after two."""

WIND_UP = 5.0
"""Seconds that tasks cancelled at the end have to clean up."""

SETTLE = 0.1
"""Seconds without output after which a Sequence whose stream has failed has written all it can."""

STOP_MARGIN = 1.0
"""Seconds before the end of a stop's timeout, when the Hub kills, in which a cancelled Sequence cleans up."""

UNTOLD = 0.1
"""Seconds that the Sequence's threads have to end before the log says that they are waited for."""


class _Stopped(BaseException):
    """Ends a Sequence that was asked to stop."""


class PythonRunner:
    """One Instance of a Python Sequence.

    Args:
        spec: what to run, from the Hub: ``id, secret, link`` (the Hub's address), ``dir`` (of the Sequence),
            ``main`` (its file, relative), ``args`` and ``config``, ``hub`` (URL of the Hub's API), ``secrets``,
            ``data_dir`` and ``cache_dir``.
    """

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.pid = os.getpid()
        self.channels = {name: dial(spec["link"], spec["id"], spec["secret"], name) for name in CHANNELS}
        self.loop = asyncio.new_event_loop()
        self.control = Control(self.channels["control"], self._on_message, before_kill=self._before_kill)
        self.health = Health(self.loop, self.control.send)
        self.context = Context(spec, self.control.send, self.health)
        self.started = asyncio.Event()
        self.failure: asyncio.Future[None] = self.loop.create_future()
        self._running: asyncio.Task[None] | None = None
        self._stopped = False
        self._stop_over: asyncio.Future[None] = self.loop.create_future()
        self._leaving: tuple[int, str | None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself keeps only weak references
        self._declared: list[Message] = []

    def run(self) -> NoReturn:
        """Run the Sequence to its end, then end this process as an interpreter would."""
        operators.install()
        stdio.attach(self.channels["stdin"], self.channels["stdout"], self.channels["stderr"])
        self.context.log_handler = log.attach(self.channels["log"])
        asyncio.set_event_loop(self.loop)
        stream_tasks.watch(self.loop, self._fail)
        try:
            code, error = self.loop.run_until_complete(self._main())
        except SystemExit as exit_:
            code, error = exit_status.of_exit(exit_)
        except BaseException as failure:  # noqa: BLE001 - KeyboardInterrupt and the like, by the Sequence
            code, error = self._failed(protocol.EXIT_FAILED, failure)
        if os.getpid() != self.pid:  # a fork of the Sequence came to its end here: the link is not its own
            threads.join()
            self._end(code, error)
        for stage in (self._wind_up, self._join_threads, self.context._close):
            try:
                self.loop.run_until_complete(stage())
            except BaseException:  # noqa: BLE001 - how it ends is decided already
                traceback.print_exc()
        self._end(protocol.EXIT_STOPPED if self._stopped and code == protocol.EXIT_OK else code, error)

    async def _main(self) -> tuple[int, str | None]:
        self.input = Input(self.channels["input"], lambda done: self.control.send({"type": "wants", "position": done}))
        self.output = Output(self.channels["output"])
        self.control.start(self.health.beat)
        await self.started.wait()
        try:
            module = sequence.load(Path(self.spec["dir"]), Path(self.spec["dir"], self.spec["main"]))
        except Exception as failure:  # noqa: BLE001 - the Sequence's own failure
            return self._failed(protocol.EXIT_FAILED_ON_START, failure)
        try:
            await self._execute(module)
        except _Stopped:
            return protocol.EXIT_STOPPED, None
        except Exception as failure:  # noqa: BLE001 - the Sequence's own failure
            return self._failed(protocol.EXIT_FAILED, failure)
        return protocol.EXIT_OK, None

    async def _execute(self, module: ModuleType) -> None:
        """Call ``run`` and write its result; ends early if the input or a stream's operator fails."""
        declared = {kind: sequence.topic(getattr(module, kind, None), kind) for kind in ("provides", "requires")}
        content_type = sequence.content_type(getattr(module, "provides", None))
        if content_type is not None:  # before "running": who reads once the start is answered gets the type
            self._declare({"type": "output", "contentType": content_type})
        self._declare({"type": "running", **declared})
        pump = self.loop.create_task(self.input.pump())
        running = self._running = self.loop.create_task(self._call(module, declared, content_type))
        self.loop.call_soon(self.context._tell_listeners)  # once run() has got to where it first waits
        self.health.begin()
        waiting: set[asyncio.Future[Any]] = {running, pump, self.failure}
        try:
            while not running.done():
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                failed = [future for future in done - {running} if future.exception() is not None]
                if failed:
                    if not isinstance(failed[0].exception(), _Stopped):
                        await self._settle(running)
                    failed[0].result()
        finally:
            if running.cancel():  # its own `finally` and `async with` blocks run
                await asyncio.wait({running})
        if running.cancelled():
            raise RuntimeError("run() was cancelled by the Sequence itself")
        running.result()

    async def _call(
        self, module: ModuleType, declared: dict[str, dict[str, str] | None], content_type: str | None
    ) -> None:
        schema = sequence.schema(getattr(module, "provides", None))
        run = sequence.entry(module)
        result = run(self.context, self.input.stream, *self.spec.get("args") or [])
        while not hasattr(result, "__aiter__") and inspect.isawaitable(result):
            result = await result
        if not isinstance(result, dict):  # a dict is the output itself, not a declaration
            by_result = sequence.content_type(result)
            if by_result is not None and by_result != content_type:
                content_type = by_result
                self._declare({"type": "output", "contentType": content_type})
            schema = sequence.schema(result) or schema
            for kind, already in declared.items():
                topic = sequence.topic(result, kind)
                if topic is not None and already is None:
                    self._declare({"type": "topic", kind: topic})
        await pump_output(result, self.output, content_type or "text/plain", run, schema)

    def _declare(self, message: Message) -> None:
        self._declared.append(message)
        self.control.send(message)

    async def _settle(self, running: asyncio.Task[None]) -> None:
        """Wait while what came before a failure is still on its way out."""
        written = -1
        while not running.done() and (self.output.pending or written != self.output.written):
            written = self.output.written
            await asyncio.wait({running}, timeout=SETTLE)

    async def _wind_up(self) -> None:
        """Cancel the tasks that are left, as asyncio.run does, and close the output."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=WIND_UP)
        await self.loop.shutdown_asyncgens()
        await self.output.close()

    async def _join_threads(self) -> None:
        """Wait for the Sequence's threads as an interpreter does, but no longer than a stop allows.

        The event loop goes on meanwhile: threads may use it, and it handles a stop.
        """
        joined = threads.joined(self.loop)
        await asyncio.wait({joined, self._stop_over}, timeout=UNTOLD, return_when=asyncio.FIRST_COMPLETED)
        if joined.done() or self._stop_over.done():
            return
        self.context.logger.info("The Sequence has ended; waiting for %s", ", ".join(threads.running()))
        await asyncio.wait({joined, self._stop_over}, return_when=asyncio.FIRST_COMPLETED)
        if not joined.done():
            self.context.logger.warning("Stopped before these had ended: %s", ", ".join(threads.running()))

    def _end(self, code: int, error: str | None) -> NoReturn:
        self._leaving = code or protocol.EXIT_STOPPED, error
        if os.getpid() == self.pid and not self._stop_over.done() and (names := threads.running()):
            self.context.logger.info("The Sequence has ended; waiting for %s", ", ".join(names))
        with contextlib.suppress(Exception):
            atexit._run_exitfuncs()  # os._exit skips them
        stdio.flush()
        if os.getpid() == self.pid:
            self._leave(code, error)
        os._exit(code)

    def _leave(self, code: int, error: str | None) -> NoReturn:
        measuring.save()
        message: Message = {"type": "exit", "code": code}
        if self.input.has_left:
            message["left"] = True
        self.control.send({**message, "error": error} if error else message)
        for name in ("stdout", "stderr", "log", "control"):
            # Shut down, not just closed: a process that the Sequence has left behind may hold copies.
            with contextlib.suppress(OSError):
                self.channels[name].shutdown(socket.SHUT_WR)
        os._exit(code)

    def _failed(self, code: int, failure: BaseException) -> tuple[int, str]:
        """Report the Sequence's failure on stderr and in the log."""
        origin.print_failure(failure, exit_status.remedy(failure))
        words = exit_status.describe(failure)
        if isinstance(failure, MemoryError) and (most := self.spec.get("limits", {}).get("memory")):
            words += f": the memory limit of this Instance is {most // (1024 * 1024)} MB"
        if remedy := exit_status.remedy(failure):
            words += f" ({remedy})"
        happened = "can't be loaded" if code == protocol.EXIT_FAILED_ON_START else "failed"
        self.context.logger.error("The Sequence %s: %s", happened, words)
        return code, words

    # Messages come in the control thread and go on to the event loop.

    def _on_message(self, message: Message) -> None:
        if self._leaving and message["type"] == "stop":  # the loop has ended; atexit may wait for child processes
            late = threading.Timer(_patience(message["timeout"] / 1000), self._leave, self._leaving)
            late.daemon = True
            late.start()
        else:
            self.loop.call_soon_threadsafe(self._handle, message)

    def _handle(self, message: Message) -> None:
        kind = message["type"]
        if kind == "start":
            for declared in self._declared:  # another Hub may not have heard them
                self.control.send(declared)
            if self.started.is_set():
                self.input.repeat_want()
            if self.context._has_told_listeners:
                self.context._tell_listeners()
            self.started.set()
        elif kind == "input":
            self.input.set_content_type(message["contentType"], by_item=message.get("byItem", False))
        elif kind == "event":
            self._begin(self.context._deliver(message["eventName"], message.get("message"), message.get("source")))
        elif kind == "stop" and not self.context._stopping:
            self.context._stopping = True  # until the Sequence goes on: a second stop adds nothing
            self._begin(self._stop(message["timeout"] / 1000, message["canCallKeepalive"]))

    def _begin(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stop(self, timeout_s: float, can_keep_alive: bool) -> None:
        over_at = self.loop.time() + _patience(timeout_s)
        if await self.context._stop(timeout_s, can_keep_alive):
            return
        self._stopped = True
        self.loop.call_at(over_at, self._give_up)
        if self._running is None or self._running.done():
            return
        if self.context._stop_handlers:
            self.input.end()
            await asyncio.wait({self._running, self._stop_over}, return_when=asyncio.FIRST_COMPLETED)
        self._fail(_Stopped())

    def _give_up(self) -> None:
        if not self._stop_over.done():
            self._stop_over.set_result(None)

    def _before_kill(self) -> None:
        """Call the kill handlers; a blocked event loop can't, so there is a limit."""
        if self.context._kill_handlers:
            with contextlib.suppress(Exception):
                asyncio.run_coroutine_threadsafe(self.context._kill(), self.loop).result(timeout=KILL_GRACE)
        measuring.save()

    def _fail(self, error: BaseException) -> None:
        if not self.failure.done():
            self.failure.set_exception(error)


def _patience(timeout_s: float) -> float:
    """Seconds that a Sequence has to come to its own end, of a stop's timeout."""
    return timeout_s - min(STOP_MARGIN, timeout_s / 4)
