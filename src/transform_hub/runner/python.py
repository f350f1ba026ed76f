"""Runs a Python Sequence: loads its file, calls ``run`` and carries its input and output.

    spawned ─ dial channels ─ load file ─ "running" ─ run(context, input, *args) ─ output pumped ─ "exit"

The process ends with one of the exit codes of :mod:`transform_hub.protocol`. The main thread has the event
loop with the Sequence; control is in a thread of its own (see :mod:`transform_hub.runner.link`).
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import importlib.util
import inspect
import logging
import os
import sys
import traceback
from collections.abc import Coroutine
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import scramjet

from transform_hub import protocol
from transform_hub.protocol import CHANNELS, Message
from transform_hub.runner import stdio
from transform_hub.runner.context import Context, LinkLogHandler
from transform_hub.runner.link import Control, dial
from transform_hub.runner.streams import Input, Output, pump_output

_SCRAMJET = str(Path(scramjet.__file__).parent)


class _Stopped(BaseException):
    """Ends the Sequence because it was asked to stop."""


class PythonRunner:
    """One Instance of a Python Sequence.

    Args:
        spec: what to run, from the Hub: ``id, secret, link`` (the Hub's address), ``dir`` (of the Sequence),
            ``main`` (its file, relative), ``args`` and ``config``.
    """

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.main = Path(spec["dir"], spec["main"])
        self.channels = {
            name: dial(spec["link"], spec["id"], spec["secret"], name) for name in CHANNELS
        }
        self.control = Control(self.channels["control"], self._on_message, self._health)
        self.context = Context(spec["id"], spec.get("config") or {}, self.control.send)
        self.loop = asyncio.new_event_loop()
        self.input: Input | None = None
        self.output: Output | None = None
        self._early: list[Message] = []
        self.failure: asyncio.Future[None] = self.loop.create_future()
        self._last_health: dict[str, Any] = {"healthy": True}
        self._health_call: concurrent.futures.Future[dict[str, Any]] | None = None

    def run(self) -> NoReturn:
        """Run the Sequence to its end, then end this process."""
        stdio.attach(self.channels["stdin"], self.channels["stdout"], self.channels["stderr"])
        self._set_up_logging()
        asyncio.set_event_loop(self.loop)
        self.loop.set_task_factory(self._task)  # type: ignore[arg-type] # typeshed's protocol differs per version
        code, error = protocol.EXIT_RUNNER_FAILED, None
        try:
            code, error = self.loop.run_until_complete(self._main())
        except SystemExit as exit_:
            code, error = _exit_code(exit_)
            if self.output is not None:
                self.loop.run_until_complete(self.output.flush())
        except BaseException as failure:  # noqa: BLE001 - whatever ends the loop is told to the Hub
            traceback.print_exc()
            error = _in_words(failure)
        self._end(code, error)

    def _end(self, code: int, error: str | None) -> NoReturn:
        with contextlib.suppress(Exception):
            atexit._run_exitfuncs()  # os._exit skips them, and a Sequence may rely on its own
        stdio.flush()
        message: Message = {"type": "exit", "code": code}
        self.control.send({**message, "error": error} if error else message)
        os._exit(code)

    async def _main(self) -> tuple[int, str | None]:
        self.input = Input(self.channels["input"])
        self.output = Output(self.channels["output"])
        for message in self._early:
            self._handle(message)
        self.control.start()
        try:
            module = self._load()
        except Exception as failure:  # noqa: BLE001 - the Sequence's own failure
            traceback.print_exc()
            self.context.logger.error("The Sequence can't be loaded: %s", _in_words(failure))  # noqa: TRY400
            return protocol.EXIT_FAILED_ON_START, _in_words(failure)
        try:
            await self._execute(module, self.input, self.output)
        except _Stopped:
            await self.output.flush()
            return protocol.EXIT_STOPPED, None
        except Exception as failure:  # noqa: BLE001 - the Sequence's own failure
            traceback.print_exc()
            self.context.logger.error("The Sequence failed: %s", _in_words(failure))  # noqa: TRY400
            await self.output.flush()
            return protocol.EXIT_FAILED, _in_words(failure)
        return protocol.EXIT_OK, None

    def _load(self) -> ModuleType:
        root, folder = Path(self.spec["dir"]), self.main.parent
        os.chdir(folder)
        sys.path[:0] = [str(root / "__pypackages__"), str(folder)]
        sys.argv = [str(self.main)]
        module_spec = importlib.util.spec_from_file_location("sequence", self.main)
        if module_spec is None or module_spec.loader is None:
            raise ImportError(f"{self.main.name} is not a Python file")
        module = importlib.util.module_from_spec(module_spec)
        sys.modules["sequence"] = module
        module_spec.loader.exec_module(module)
        if not callable(getattr(module, "run", None)):
            raise AttributeError(f"{self.main.name} defines no function run(context, input, *args)")
        return module

    async def _execute(self, module: ModuleType, input_: Input, output: Output) -> None:
        """Call ``run`` and write what it returns; ends early if the input or a stream's operator fails."""
        provides, requires = getattr(module, "provides", None), getattr(module, "requires", None)
        self.control.send(
            {
                "type": "running",
                "provides": _topic(provides, "provides"),
                "requires": _topic(requires, "requires"),
            }
        )
        pump = self.loop.create_task(input_.pump())
        sequence = self.loop.create_task(self._call(module, output, _content_type(provides)))
        waiting: set[asyncio.Future[Any]] = {sequence, pump, self.failure}
        try:
            while not sequence.done():
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for future in done:
                    future.result()
        finally:
            if sequence.cancel():  # its own `finally` and `async with` blocks run
                await asyncio.wait({sequence})
        await output.close()

    async def _call(self, module: ModuleType, output: Output, content_type: str | None) -> None:
        assert self.input is not None
        result = module.run(self.context, self.input.stream, *self.spec.get("args") or [])
        while inspect.iscoroutine(result) or inspect.isawaitable(result) and not hasattr(result, "__aiter__"):
            result = await result
        for name in ("provides", "requires"):
            topic = _topic(result, name)
            if topic is not None:
                self.control.send({"type": "topic", name: topic})
        await pump_output(result, output, _content_type(result) or content_type or "text/plain")

    # Messages come in the control thread; all but the health question is handed to the event loop.

    def _on_message(self, message: Message) -> None:
        self.loop.call_soon_threadsafe(self._handle, message)

    def _handle(self, message: Message) -> None:
        if self.input is None:
            self._early.append(message)
            return
        kind = message["type"]
        if kind == "input":
            self.input.set_content_type(message["contentType"])
        elif kind == "event":
            self.loop.create_task(self.context._deliver(message["eventName"], message.get("message")))
        elif kind == "stop":
            self.loop.create_task(self._stop(message["timeout"] / 1000, message["canCallKeepalive"]))

    async def _stop(self, timeout_s: float, can_keep_alive: bool) -> None:
        if not await self.context._stop(timeout_s, can_keep_alive) and not self.failure.done():
            self.failure.set_exception(_Stopped())

    def _health(self) -> dict[str, Any]:
        """The latest health, asked for anew; a blocked event loop answers later, the heartbeat goes out now."""
        if self.context._health_check is None:
            return self._last_health
        call = self._health_call
        if call is None or call.done():
            if call is not None:
                self._last_health = call.result()
            self._health_call = call = asyncio.run_coroutine_threadsafe(self.context._health(), self.loop)
        with contextlib.suppress(concurrent.futures.TimeoutError):
            self._last_health = call.result(timeout=0.05)
        return self._last_health

    def _task(self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any) -> Any:
        """Make a task; one of scramjet's own that fails ends the Sequence.

        Without this a ``map`` whose function raises leaves its stream waiting for ever: the framework's task
        dies and nobody looks at it.
        """
        task = asyncio.Task(coroutine, loop=loop, **options)
        code = getattr(coroutine, "cr_code", None)
        if code is not None and code.co_filename.startswith(_SCRAMJET):
            task.add_done_callback(self._check_stream_task)
        return task

    def _check_stream_task(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) and not self.failure.done():
            self.failure.set_exception(error)

    def _set_up_logging(self) -> None:
        self.context.logger.setLevel(1)
        self.context.logger.addHandler(LinkLogHandler(self.channels["log"]))
        self.context.logger.propagate = False
        logging.lastResort = None


def _topic(holder: Any, kind: str) -> dict[str, str] | None:
    """The topic that a module's dict or a result's attributes declare: ``{"topic", "contentType"}``."""
    if isinstance(holder, dict):
        name = holder.get(kind)
    else:
        name = getattr(holder, kind, None)
    if not isinstance(name, str) or not name:
        return None
    return {"topic": name, "contentType": _content_type(holder) or "text/plain"}


def _content_type(holder: Any) -> str | None:
    if isinstance(holder, dict):
        value = holder.get("contentType") or holder.get("content_type")
    else:
        value = getattr(holder, "content_type", None) or getattr(holder, "contentType", None)
    return value if isinstance(value, str) else None


def _in_words(failure: BaseException) -> str:
    return f"{type(failure).__name__}: {failure}" if str(failure) else type(failure).__name__


def _exit_code(exit_: SystemExit) -> tuple[int, str | None]:
    """What ``sys.exit`` in a Sequence means: None and 0 are success, text goes to stderr, as in Python."""
    if exit_.code is None:
        return protocol.EXIT_OK, None
    if isinstance(exit_.code, int):
        return exit_.code & 0xFF, f"sys.exit({exit_.code})" if exit_.code & 0xFF else None
    print(exit_.code, file=sys.stderr)  # noqa: T201 - what Python itself does
    return protocol.EXIT_FAILED, str(exit_.code)
