"""What ``si run`` reads: lines for the input of an Instance, or for the debugger that stands at a prompt in it.

terminal ──line──> is the end of the Instance's stdout a debugger's prompt? ──no──> input
                                                                      └──yes──> stdin
"""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, suppress
from typing import TYPE_CHECKING, BinaryIO

from transform_hub.cli.stdio import PIECE, read_stdin

if TYPE_CHECKING:
    from transform_hub.client.instance import InstanceClient
    from transform_hub.client.writer import Writer

# of pdb, its `commands` and `interact`, and of what is made from it
_PROMPT = re.compile(rb"(?:\A|\n)(?:\(+Pdb\+*\)+ |\(com\) |i?pdb> |>>> |\.\.\. )\Z")

ANSWER = 0.5
"""Seconds that a debugger has to come back to its prompt, before the next line is input again."""


class Debugger:
    """Knows whether a debugger stands at its prompt, by the end of what an Instance prints."""

    def __init__(self) -> None:
        self._tail = b""
        self._prompts = asyncio.Event()

    @property
    def prompts(self) -> bool:
        """Whether it waits for a command."""
        return self._prompts.is_set()

    def see(self, printed: bytes) -> None:
        """Take note of a piece of the Instance's stdout."""
        self._tail = (self._tail + printed)[-64:]
        if _PROMPT.search(self._tail):
            self._prompts.set()
        else:
            self._prompts.clear()

    async def tell(self, line: bytes, stdin: Writer) -> None:
        """Send it a command, and give it the time to answer."""
        self._tail = b""
        self._prompts.clear()
        await stdin.write(line)
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._prompts.wait(), ANSWER)


class Stdin:
    """The stdin of this process; for several runs a terminal goes on, anything else begins anew for each of them.

    Args:
        again: there may be several runs.
    """

    def __init__(self, *, again: bool) -> None:
        self.is_terminal = os.isatty(0)
        self._seen: BinaryIO | None = None
        if again and not self.is_terminal:
            self._seen = tempfile.TemporaryFile()  # noqa: SIM115 - as long as this process

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Chunks for one run; those of the run before have to be closed."""
        if self._seen is not None:
            self._seen.seek(0)
            while chunk := self._seen.read(PIECE):
                yield chunk
        async with aclosing(read_stdin()) as coming:
            async for chunk in coming:
                if self._seen is not None:
                    self._seen.write(chunk)
                yield chunk


async def type_in(source: Stdin, instance: InstanceClient, content_type: str, debugger: Debugger) -> None:
    """Carry what is read to the Instance."""
    async with AsyncExitStack() as stack:
        writer = await stack.enter_async_context(instance.open_input(content_type))
        stdin: Writer | None = None
        async for chunk in await stack.enter_async_context(aclosing(source.chunks())):
            if source.is_terminal and debugger.prompts:
                if stdin is None:
                    stdin = await stack.enter_async_context(instance.open_stdin())
                await debugger.tell(chunk, stdin)
            else:
                await writer.write(chunk)
        if source.is_terminal and debugger.prompts and stdin is None:  # Ctrl-D: the debugger has to see it as well
            await stack.enter_async_context(instance.open_stdin())
