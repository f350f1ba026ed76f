"""Runners as processes of this machine: forked by a zygote, or started one by one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any, cast

from transform_hub.hub.runtimes import Exit
from transform_hub.protocol import Lines, encode

log = logging.getLogger(__name__)

_PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "VIRTUAL_ENV")
_PASSED_ON_PREFIXES = ("LC_", "PYTHON", "SSL_CERT_")
_PASSED_ON_STH = ("DEVELOPMENT", "PRODUCTION")


def runner_environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """The environment of runners: what programs need to work, none of the Hub's own settings and secrets."""
    names = (*_PASSED_ON, *_PASSED_ON_STH)
    chosen = {
        name: value for name, value in os.environ.items() if name in names or name.startswith(_PASSED_ON_PREFIXES)
    }
    return {**chosen, **(extra or {})}


class ProcessRuntime:
    """Starts runner processes.

    Args:
        zygote: fork runners from a warmed-up process (milliseconds); otherwise start an interpreter for each.
        environment: variables that Sequences get in addition.
    """

    def __init__(self, *, zygote: bool = hasattr(os, "fork"), environment: dict[str, str] | None = None) -> None:
        self._environment = runner_environment(environment)
        self._use_zygote = zygote
        self._zygote: Zygote | None = None
        self._pids: dict[str, int] = {}
        self._watching: set[asyncio.Task[None]] = set()
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        async with self._starting:
            if self._use_zygote and (self._zygote is None or self._zygote.lost):
                self._zygote = await Zygote.start(self._environment, self._pids)

    async def launch(self, spec: dict[str, Any], on_exit: Callable[[Exit], None]) -> None:
        if self._use_zygote:
            await self.start()
            assert self._zygote is not None
            self._zygote.launch(spec, on_exit)
            return
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "transform_hub.runner", env=self._environment, stdin=asyncio.subprocess.PIPE
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(spec).encode())
        process.stdin.close()
        self._pids[spec["id"]] = process.pid
        watch = asyncio.create_task(self._watch(process, spec["id"], on_exit))
        self._watching.add(watch)
        watch.add_done_callback(self._watching.discard)

    async def _watch(self, process: asyncio.subprocess.Process, id_: str, on_exit: Callable[[Exit], None]) -> None:
        code = await process.wait()
        del self._pids[id_]
        _kill_group(process.pid)
        on_exit(Exit(code=code) if code >= 0 else Exit(signal=-code))

    def kill(self, instance_id: str) -> None:
        if (pid := self._pids.get(instance_id)) is not None:
            _kill(pid)
        elif self._zygote is not None:
            self._zygote.doomed.add(instance_id)

    async def close(self) -> None:
        for pid in list(self._pids.values()):
            _kill(pid)
        if self._watching:
            await asyncio.wait(self._watching)
        if self._zygote is not None:
            await self._zygote.close()


class Zygote(asyncio.Protocol):
    """The Hub's side of the zygote process (see :mod:`transform_hub.runner.zygote`)."""

    _process: asyncio.subprocess.Process

    def __init__(self, pids: dict[str, int]) -> None:
        self.lost = False
        self.doomed: set[str] = set()
        self._pids = pids
        self._on_exit: dict[str, Callable[[Exit], None]] = {}
        self._lines = Lines()

    @classmethod
    async def start(cls, environment: dict[str, str], pids: dict[str, int]) -> Zygote:
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "transform_hub.runner.zygote",
                str(theirs.fileno()),
                pass_fds=(theirs.fileno(),),
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in the Hub's terminal is the Hub's to handle
            )
        _, self = await asyncio.get_running_loop().create_unix_connection(lambda: cls(pids), sock=ours)
        self._process = process
        return self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not subclasses of it

    def launch(self, spec: dict[str, Any], on_exit: Callable[[Exit], None]) -> None:
        self._on_exit[spec["id"]] = on_exit
        self._transport.write(encode(spec))

    def data_received(self, data: bytes) -> None:
        for message in self._lines.feed(data):
            if "started" in message:
                self._pids[message["started"]] = message["pid"]
                if message["started"] in self.doomed:
                    _kill(message["pid"])
            else:
                self._pids.pop(message["exited"], None)
                code = os.waitstatus_to_exitcode(message["status"])
                self._ended(message["exited"], Exit(code=code) if code >= 0 else Exit(signal=-code))

    def _ended(self, instance_id: str, exit_: Exit) -> None:
        self.doomed.discard(instance_id)
        if (on_exit := self._on_exit.pop(instance_id, None)) is not None:
            on_exit(exit_)

    def connection_lost(self, error: Exception | None) -> None:
        """The zygote is gone: its runners go on, and their ends are seen on the link alone."""
        self.lost = True
        for instance_id in list(self._on_exit):
            if instance_id in self._pids:
                watch_orphan(self._pids, instance_id, self._ended)
            else:
                self._ended(instance_id, Exit())

    async def close(self) -> None:
        self._transport.close()
        try:
            await asyncio.wait_for(self._process.wait(), 2)
        except asyncio.TimeoutError:
            self._process.kill()
            await self._process.wait()


def watch_orphan(pids: dict[str, int], instance_id: str, ended: Callable[[str, Exit], None]) -> None:
    """Notice the end of a runner that is nobody's child any more; its exit code can't be known."""
    loop = asyncio.get_running_loop()
    pid = pids[instance_id]

    def gone() -> None:
        pids.pop(instance_id, None)
        ended(instance_id, Exit())

    try:
        descriptor = os.pidfd_open(pid)
    except (AttributeError, OSError):
        loop.call_soon(gone)
        return

    def readable() -> None:
        loop.remove_reader(descriptor)
        os.close(descriptor)
        _kill_group(pid)
        gone()

    loop.add_reader(descriptor, readable)


def _kill(pid: int) -> None:
    _kill_group(pid)
    # A runner leads its own group from its setsid on; before that, only the process itself can be meant.
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)
