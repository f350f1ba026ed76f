"""What is sent to a Hub piece by piece, as long as it takes.

Made by tools/make_sync of transform_hub.client.writer: edit that, and run ``make sync``.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from transform_hub.client import writer as native
from transform_hub.client.body import Body, Chunk, Sendable
from transform_hub.sync.handover import sendable
from transform_hub.sync.mirror import MirroredStream, called

if TYPE_CHECKING:
    from typing_extensions import Self


class Writer(MirroredStream, of=native.Writer):
    r"""A byte stream to a Hub, written piece by piece; opened when first entered or written to.

    Attributes:
        sent: bytes that have been handed to the connection.

    Example:
        >>> with instance.open_input(content_type="text/plain") as writer:
        ...     writer.write("one line\n")
    """

    _async: native.Writer

    @property
    def sent(self) -> int:
        return self._async.sent

    def open(self) -> Self:
        """Open it now, so that an error such as 404 is raised here."""
        self._run(self._async.__aenter__)
        return self

    def __enter__(self) -> Self:
        self._run(self._async.__aenter__)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(self._async.__aexit__, kind, error, trace)

    def write(self, data: Chunk) -> None:
        """Write bytes or text, and wait as long as the Hub pushes back.

        Raises:
            HubResponseError: the Hub does not take the stream.
            InstanceEndedError: the Instance ended.
            InstanceRestartedError: its run ended, and another follows.
            StreamError: the Hub broke off, or the stream was closed here.
        """
        self._run(self._async.write, data)

    def send(self, data: Sendable | Body) -> None:
        """Write all of a file, an iterable or anything else that can be sent; raises what ``write`` does."""
        self._run(self._async.send, sendable(data))

    def close(self) -> bytes:
        """End the stream, and wait until the Hub has taken all of it.

        Returns:
            The body of the Hub's answer.

        Raises:
            HubResponseError: the Hub does not take the stream.
            InstanceEndedError: the Instance ended.
            InstanceRestartedError: its run ended, and another follows.
            StreamError: the Hub broke off.
        """
        return self._run(self._async.close)

    def abort(self) -> None:
        """Break the stream off: the connection is dropped, and the Hub can tell that it was not the end."""
        self._run(called, self._async.abort)
