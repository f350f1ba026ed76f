"""Writing to a Hub and reading from it over one request.

Made by tools/make_sync of transform_hub.client.duplex: edit that, and run ``make sync``.
"""

from __future__ import annotations

from transform_hub.client import duplex as native
from transform_hub.client.body import Chunk
from transform_hub.sync.reader import Reader


class Duplex(Reader, of=native.Duplex):
    r"""Writes to a Hub and reads its answer at the same time.

    It is a :class:`Reader` of the answer. Opening it does not wait for the answer, whose head may come only
    with its first byte.

    Example:
        >>> with instance.inout(content_type="text/plain") as both:
        ...     both.write("one line\n")
        ...     both.close_input()
        ...     print(both.read())
    """

    _async: native.Duplex

    def write(self, data: Chunk) -> None:
        """Write bytes or text, and wait while the Hub pushes back; raises what :meth:`Writer.write` does."""
        self._run(self._async.write, data)

    def close_input(self) -> None:
        """End what is written; the answer can still be read."""
        self._run(self._async.close_input)

    def close(self) -> None:
        """Close both directions and the connection."""
        self._leave(self._async.close)
