"""Runs a Python Sequence: loads its file, calls ``run`` and carries its input and output.

    dial channels ─ "start" ─ load file ─ "running" ─ run(context, input, *args) ─ output pumped ─ wind up ─ "exit"

The main thread has the event loop with the Sequence; control is in a thread of its own (see
:mod:`transform_hub.runner.link`). Ways to the end, and the exit code of each:

    run returned and its output is written           0
    asked to stop: run is cancelled                138
    run, the input or a stream's operator failed    23
    the file can't be loaded                        22
    sys.exit(n)                                      n
    killed                                         137, at once, from the control thread
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import inspect
import os
import socket
import sys
import traceback
from collections.abc import Coroutine
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import scramjet

from transform_hub import protocol
from transform_hub.protocol import CHANNELS, Message
from transform_hub.runner import operators, pipeline, sequence, stdio
from transform_hub.runner.context import Context, LinkLogHandler
from transform_hub.runner.input import Input
from transform_hub.runner.link import Control, dial
from transform_hub.runner.output import Output, pump_output

KILL_GRACE = 1.0
"""Seconds that kill handlers have; the Hub ends the process after two."""

WIND_UP = 5.0
"""Seconds that tasks which are cancelled at the end have to clean up."""

SETTLE = 0.1
"""Seconds without output after which a Sequence whose stream has failed is taken to have written all it can."""

_BACKGROUND = {(str(Path(scramjet.__file__).with_name("streams.py")), "consume"), (pipeline.__file__, "_process")}
"""File and name of the coroutines that Streams run as tasks of their own, awaited by nobody."""


class _Stopped(BaseException):
    """Ends the Sequence because it was asked to stop."""


class PythonRunner:
    """One Instance of a Python Sequence.

    Args:
        spec: what to run, from the Hub: ``id, secret, link`` (the Hub's address), ``dir`` (of the Sequence),
            ``main`` (its file, relative), ``args`` and ``config``, ``hub`` (URL of the Hub's API).
    """

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.pid = os.getpid()
        self.channels = {name: dial(spec["link"], spec["id"], spec["secret"], name) for name in CHANNELS}
        self.control = Control(
            self.channels["control"], self._on_message, health=self._health, before_kill=self._before_kill
        )
        self.context = Context(spec, self.control.send)
        self.loop = asyncio.new_event_loop()
        self.started = asyncio.Event()
        self.failure: asyncio.Future[None] = self.loop.create_future()
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself keeps only weak references
        self._declared: list[Message] = []
        self._last_health: dict[str, Any] = {"healthy": True}
        self._health_call: concurrent.futures.Future[dict[str, Any]] | None = None

    def run(self) -> NoReturn:
        """Run the Sequence to its end, then end this process."""
        operators.install()
        stdio.attach(self.channels["stdin"], self.channels["stdout"], self.channels["stderr"])
        self._set_up_logging()
        asyncio.set_event_loop(self.loop)
        self.loop.set_task_factory(self._task)  # type: ignore[arg-type] # typeshed's protocol differs per version
        try:
            code, error = self.loop.run_until_complete(self._main())
        except SystemExit as exit_:
            code, error = _exit_code(exit_)
        except BaseException as failure:  # noqa: BLE001 - KeyboardInterrupt and the like, by the Sequence
            code, error = self._failed(protocol.EXIT_FAILED, failure)
        if os.getpid() == self.pid:  # else a fork of the Sequence came to its end here: the link is not its own
            try:
                self.loop.run_until_complete(self._wind_up())
            except BaseException:  # noqa: BLE001 - how it ends is decided already
                traceback.print_exc()
        self._end(code, error)

    async def _main(self) -> tuple[int, str | None]:
        self.input = Input(self.channels["input"])
        self.output = Output(self.channels["output"])
        self.control.start()
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
        """Call ``run`` and write what it returns; ends early if the input or a stream's operator fails."""
        declared = {kind: sequence.topic(getattr(module, kind, None), kind) for kind in ("provides", "requires")}
        self._declare({"type": "running", **declared})
        pump = self.loop.create_task(self.input.pump())
        running = self.loop.create_task(self._call(module, declared))
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

    async def _call(self, module: ModuleType, declared: dict[str, dict[str, str] | None]) -> None:
        result = sequence.entry(module)(self.context, self.input.stream, *self.spec.get("args") or [])
        while not hasattr(result, "__aiter__") and inspect.isawaitable(result):
            result = await result
        content_type = sequence.content_type(getattr(module, "provides", None))
        if not isinstance(result, dict):  # which would be the output itself, not a declaration
            content_type = sequence.content_type(result) or content_type
            for kind, already in declared.items():
                topic = sequence.topic(result, kind)
                if topic is not None and already is None:
                    self._declare({"type": "topic", kind: topic})
        await pump_output(result, self.output, content_type or "text/plain")

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
        """Cancel what the Sequence has left running, as asyncio.run does, and write the last output."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=WIND_UP)
        await self.context._close()
        await self.loop.shutdown_asyncgens()
        await self.output.close()

    def _end(self, code: int, error: str | None) -> NoReturn:
        with contextlib.suppress(Exception):
            atexit._run_exitfuncs()  # os._exit skips them, and a Sequence may rely on its own
        stdio.flush()
        if os.getpid() == self.pid:
            # Shut down, not just closed: a process that the Sequence has left behind may hold copies.
            message: Message = {"type": "exit", "code": code}
            self.control.send({**message, "error": error} if error else message)
            for name in ("stdout", "stderr", "log", "control"):
                with contextlib.suppress(OSError):
                    self.channels[name].shutdown(socket.SHUT_WR)
        os._exit(code)

    def _failed(self, code: int, failure: BaseException) -> tuple[int, str]:
        """Tell of the Sequence's failure on stderr and in the log."""
        traceback.print_exception(type(failure), failure, failure.__traceback__)
        words = f"{type(failure).__name__}: {failure}" if str(failure) else type(failure).__name__
        if isinstance(failure, MemoryError) and (most := self.spec.get("limits", {}).get("memory")):
            words += f": the memory limit of this Instance is {most // (1024 * 1024)} MB"
        happened = "can't be loaded" if code == protocol.EXIT_FAILED_ON_START else "failed"
        self.context.logger.error("The Sequence %s: %s", happened, words)
        return code, words

    # Messages come in the control thread; all but the health question is handed to the event loop.

    def _on_message(self, message: Message) -> None:
        self.loop.call_soon_threadsafe(self._handle, message)

    def _handle(self, message: Message) -> None:
        kind = message["type"]
        if kind == "start":
            for declared in self._declared:  # of another Hub, which may not have heard them
                self.control.send(declared)
            self.started.set()
        elif kind == "input":
            self.input.set_content_type(message["contentType"])
        elif kind == "event":
            self._begin(self.context._deliver(message["eventName"], message.get("message"), message.get("source")))
        elif kind == "stop" and not self.context._stopping:
            self.context._stopping = True  # until its handlers are done or want to go on: a second stop adds nothing
            self._begin(self._stop(message["timeout"] / 1000, message["canCallKeepalive"]))

    def _begin(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stop(self, timeout_s: float, can_keep_alive: bool) -> None:
        if not await self.context._stop(timeout_s, can_keep_alive) and not self.failure.done():
            self.failure.set_exception(_Stopped())

    def _health(self) -> dict[str, Any]:
        """The latest health, asked for anew; a blocked event loop answers later, the heartbeat goes out now."""
        if not self.context._health_checks:
            return self._last_health
        if self._health_call is None:
            self._health_call = asyncio.run_coroutine_threadsafe(self.context._health(), self.loop)
        with contextlib.suppress(concurrent.futures.TimeoutError, concurrent.futures.CancelledError):
            self._last_health = self._health_call.result(timeout=0.05)
        if self._health_call.done():
            self._health_call = None
        return self._last_health

    def _before_kill(self) -> None:
        """Call the kill handlers; a blocked event loop can't, and is not waited for long."""
        if self.context._kill_handlers:
            with contextlib.suppress(Exception):
                asyncio.run_coroutine_threadsafe(self.context._kill(), self.loop).result(timeout=KILL_GRACE)

    def _task(self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any) -> Any:
        """Make a task; one of a Stream's own that fails ends the Sequence.

        Without this a ``map`` whose function raises leaves its stream waiting for ever: the task dies and nobody
        looks at it.
        """
        task = asyncio.Task(coroutine, loop=loop, **options)
        code = getattr(coroutine, "cr_code", None)
        if code is not None and (code.co_filename, code.co_name) in _BACKGROUND:
            task.add_done_callback(self._check_stream_task)
        return task

    def _check_stream_task(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) and not self.failure.done():
            self.failure.set_exception(error)

    def _set_up_logging(self) -> None:
        self.context.logger.setLevel(1)
        self.context.logger.addHandler(LinkLogHandler(self.channels["log"]))
        self.context.logger.propagate = False


def _exit_code(exit_: SystemExit) -> tuple[int, str | None]:
    """What ``sys.exit`` in a Sequence means: None and 0 are success, text goes to stderr, as in Python."""
    if exit_.code is None:
        return protocol.EXIT_OK, None
    if isinstance(exit_.code, int):
        code = exit_.code & 0xFF
        return code, f"sys.exit({exit_.code})" if code else None
    print(exit_.code, file=sys.stderr)  # noqa: T201 - what Python itself does
    return protocol.EXIT_FAILED, str(exit_.code)
