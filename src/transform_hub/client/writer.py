"""Writing a stream to a Hub."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from transform_hub.client.body import Body, Chunk, Progress, Sendable, body_of, pieces
from transform_hub.client.transport import Deadline, Transport
from transform_hub.client.upload import Explain, Upload, as_told
from transform_hub.errors import StreamError

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing since 3.11


class Writer:
    r"""A byte stream to a Hub, written piece by piece; opened by its first use.

    Attributes:
        sent: bytes handed to the connection so far.

    Example:
        >>> async with instance.open_input(content_type="text/plain") as writer:
        ...     await writer.write("one line\n")
    """

    def __init__(
        self,
        transport: Transport,
        path: str,
        *,
        headers: Mapping[str, str],
        length: int | None = None,
        patience: Deadline = "default",
        explain: Explain = as_told,
        progress: Progress | None = None,
    ) -> None:
        self._transport = transport
        self._path = path
        self._headers = headers
        self._length = length
        self._patience = transport.timeout if patience == "default" else patience
        self._explain = explain
        self._progress = progress
        self._upload: Upload | None = None
        self._answer: bytes | None = None
        self.sent = 0

    def __repr__(self) -> str:
        state = "closed" if self._answer is not None else "open" if self._upload else "not open"
        return f"<{type(self).__name__} {self._transport.base}{self._path}, {state}>"

    def __await__(self) -> Generator[Any, None, Self]:
        """Open the stream now, so that an error such as 404 is raised here."""
        return self._opened().__await__()

    async def __aenter__(self) -> Self:
        return await self._opened()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                await self.close()
        finally:
            if self._answer is None:
                self.abort()

    async def write(self, data: Chunk) -> None:
        """Write bytes or text, and wait while the Hub pushes back.

        Raises:
            HubResponseError: the Hub refuses the stream.
            InstanceEndedError: the Instance ended.
            InstanceRestartedError: its run ended, and another run follows.
            StreamError: the connection was lost, or the stream was closed here.
        """
        await self._opened()
        assert self._upload is not None
        if self._answer is not None:
            raise StreamError("The stream was closed here", **self._upload.request)
        for piece in pieces(data):
            await self._upload.write(piece)
            self.sent += len(piece)
            if self._progress is not None:
                self._progress(self.sent, self._length)

    async def send(self, data: Sendable | Body) -> None:
        """Write a whole file, an iterable or anything else that can be sent; raises what :meth:`write` does."""
        body = data if isinstance(data, Body) else body_of(data)
        async with contextlib.aclosing(body.pieces) as all_pieces:
            async for piece in all_pieces:
                await self.write(piece)

    async def close(self) -> bytes:
        """End the stream, and wait until the Hub has all of it.

        Returns:
            The body of the Hub's answer.

        Raises:
            HubResponseError: the Hub refuses the stream.
            InstanceEndedError: the Instance ended.
            InstanceRestartedError: its run ended, and another run follows.
            StreamError: the connection was lost.
        """
        await self._opened()
        assert self._upload is not None
        if self._answer is not None:
            return self._answer
        self._upload.finish()
        self._answer = await self._upload.confirmed()
        return self._answer

    def abort(self) -> None:
        """Drop the connection, so that the Hub can tell that the stream is incomplete."""
        if self._upload is not None:
            self._upload.abort()

    async def _opened(self) -> Self:
        if self._upload is None:
            self._upload = Upload(
                self._transport, self._path, self._headers, length=self._length, explain=self._explain
            )
        await self._upload.accepted(self._patience)
        return self
