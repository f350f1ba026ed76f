"""The Hub's side of a zygote process (see :mod:`transform_hub.runner.zygote`): its own, or one of an earlier Hub."""

from __future__ import annotations

import array
import asyncio
import contextlib
import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from transform_hub.hub.reattach.fdstore import FdStoreFiles, Survivor
from transform_hub.hub.runtimes import interpreter
from transform_hub.hub.runtimes.process_group import kill_runner, watch_orphan
from transform_hub.hub.runtimes.runtime import Exit
from transform_hub.protocol import Message, MessageBuffer, encode

log = logging.getLogger(__name__)

END_GRACE = 2.0
"""Seconds that a zygote has to end."""

JOIN_TIMEOUT = 10.0
"""Seconds that a zygote has to give what it holds."""


class Zygote:
    """A connection to a zygote process.

    Args:
        sock: the connection.
        pids: where it notes which process each Instance is.
    """

    def __init__(self, sock: socket.socket, pids: dict[str, int], forget: Callable[[], None] = lambda: None) -> None:
        self.lost = False
        self.doomed: set[str] = set()
        self.survivors: list[Survivor] = []
        self._all_told = asyncio.Event()
        self._gone = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._forget = forget
        self._pids = pids
        self._on_exit: dict[str, Callable[[Exit], None]] = {}
        self._unwatched: dict[str, Exit] = {}
        self._lines = MessageBuffer()
        self._descriptors: list[int] = []
        self._outgoing: deque[tuple[memoryview, list[int]]] = deque()
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        sock.setblocking(False)
        self._loop.add_reader(sock, self._receive)

    @classmethod
    async def start(cls, environment: dict[str, str], pids: dict[str, int], fdstore: FdStoreFiles | None) -> Zygote:
        """Start a process."""
        keeping: list[str] = []
        ours, theirs = socket.socketpair()
        with theirs, contextlib.ExitStack() as forget:
            if fdstore is not None:
                path = fdstore.make()
                forget.callback(fdstore.forget, path)
                keeping = [path, str(fdstore.timeout)]
            try:
                process = await _start_process(theirs, keeping, environment)
            except OSError:
                ours.close()
                raise
            self = cls(ours, pids, forget.pop_all().close)
        self._process = process
        return self

    @classmethod
    async def join(cls, path: str, pids: dict[str, int], fdstore: FdStoreFiles) -> Zygote | None:
        """Take over one that has lost its Hub, and learn what it holds; None if it is gone."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(path)
        except OSError:
            sock.close()
            fdstore.forget(path)
            return None
        self = cls(sock, pids, lambda: fdstore.forget(path))
        try:
            await asyncio.wait_for(self._all_told.wait(), JOIN_TIMEOUT)
        except asyncio.TimeoutError:
            log.warning("The process that kept Instances of an earlier Hub does not answer: they are lost")
        return self

    # --- orders -------------------------------------------------------------------------------------------

    def launch(self, spec: dict[str, Any], on_exit: Callable[[Exit], None]) -> None:
        """Fork a runner."""
        self._on_exit[spec["id"]] = on_exit
        self._send(spec)

    def watch(self, instance_id: str, on_exit: Callable[[Exit], None]) -> None:
        """Have the end of a survivor told, at once if it has ended already."""
        self._on_exit[instance_id] = on_exit
        if (exit_ := self._unwatched.pop(instance_id, None)) is not None:
            self._ended(instance_id, exit_)
        elif self.lost:
            self._watch_orphan(instance_id)

    def hold(self, name: str, descriptors: dict[str, int]) -> None:
        """Hold duplicates of descriptors for another Hub."""
        self._send({"hold": name, "channels": list(descriptors)}, [*descriptors.values()])

    def hold_more(self, name: str, descriptors: dict[str, int]) -> None:
        """Hold these as well."""
        self._send({"hold": name, "channels": list(descriptors), "more": True}, [*descriptors.values()])

    def release(self, name: str) -> None:
        """Hold nothing under a name any more."""
        self._send({"release": name})

    def quit(self) -> None:
        """Let it end, with all its runners."""
        self._send({"quit": True})
        self._forget()

    def leave(self) -> None:
        """Go away without a word, so that it waits for another Hub."""
        self.lost = True
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        self._sock.close()

    async def close(self) -> None:
        """End it, and wait until it has ended."""
        self.quit()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._gone.wait(), END_GRACE)
        if self._process is not None:
            if not self._gone.is_set():
                self._process.kill()
            await self._process.wait()

    # --- the connection -----------------------------------------------------------------------------------

    def _send(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        if self.lost:
            return
        copies: list[int] = []
        try:
            copies.extend(map(os.dup, descriptors))  # they may be closed before it takes them
        except OSError:
            for copy in copies:
                os.close(copy)
            raise
        self._outgoing.append((memoryview(encode(message)), copies))
        if len(self._outgoing) == 1:
            self._flush()

    def _flush(self) -> None:
        self._loop.remove_writer(self._sock)
        while self._outgoing:
            data, descriptors = self._outgoing[0]
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
            try:
                sent = self._sock.sendmsg([data], rights)
            except BlockingIOError:
                self._loop.add_writer(self._sock, self._flush)
                return
            except OSError:  # it is gone, which is seen when reading
                sent = len(data)
            for each in descriptors:
                os.close(each)
            if sent < len(data):
                self._outgoing[0] = data[sent:], []
            else:
                self._outgoing.popleft()

    def _receive(self) -> None:
        try:
            data, descriptors, *_ = socket.recv_fds(self._sock, 1 << 20, 64)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        self._descriptors += descriptors
        if not data:
            self._lose()
        for message in self._lines.feed(data):
            self._understand(message)

    def _understand(self, message: Message) -> None:
        if "held" in message:
            self._remember(message)
        elif "started" in message:
            self._pids[message["started"]] = message["pid"]
            if message["started"] in self.doomed:
                kill_runner(message["pid"])
        else:
            self._pids.pop(message["exited"], None)
            self._ended(message["exited"], exit_of(message["status"]))

    def _remember(self, message: Message) -> None:
        if message["held"] is None:
            self._all_told.set()
            return
        count = len(message["channels"])
        ours, self._descriptors = self._descriptors[:count], self._descriptors[count:]
        self.survivors.append(Survivor(message["held"], dict(zip(message["channels"], ours, strict=False))))
        if message["pid"] is not None:
            self._pids[message["held"]] = message["pid"]
        if message["status"] is not None:
            self._ended(message["held"], exit_of(message["status"]))

    def _ended(self, instance_id: str, exit_: Exit) -> None:
        self.doomed.discard(instance_id)
        if (on_exit := self._on_exit.pop(instance_id, None)) is not None:
            on_exit(exit_)
        else:  # a survivor that nobody has come to watch yet
            self._unwatched[instance_id] = exit_

    def _lose(self) -> None:
        """The zygote is gone: its runners go on, and how they end can't be known any more."""
        self.leave()
        self._all_told.set()
        self._gone.set()
        self._forget()
        for instance_id in list(self._on_exit):
            self._watch_orphan(instance_id)

    def _watch_orphan(self, instance_id: str) -> None:
        def gone() -> None:
            self._pids.pop(instance_id, None)
            self._ended(instance_id, Exit())

        if (pid := self._pids.get(instance_id)) is not None:
            watch_orphan(pid, gone)
        else:
            gone()


async def _start_process(
    hub: socket.socket, keeping: Sequence[str], environment: dict[str, str]
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *interpreter.command("transform_hub.runner.zygote", str(hub.fileno()), *keeping),
        pass_fds=(hub.fileno(),),
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,  # who reads the Hub's to its end must not wait for this one
        start_new_session=True,  # Ctrl-C in the Hub's terminal is the Hub's to handle
    )


def exit_of(status: int) -> Exit:
    """What a wait status says."""
    code = os.waitstatus_to_exitcode(status)
    return Exit(code=code) if code >= 0 else Exit(signal=-code)
