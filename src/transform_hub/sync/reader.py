"""What a Hub sends, as long as it takes.

Made by tools/make_sync of transform_hub.client.reader: edit that, and run ``make sync``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from transform_hub.client import reader as native
from transform_hub.sync.readable import Readable

if TYPE_CHECKING:
    from typing_extensions import Self


class Reader(Readable[NoReturn], of=native.Reader):
    """A byte stream from a Hub; opened when it is first entered or iterated.

    Attributes:
        received: bytes that have come.

    Example:
        >>> with instance.get_output() as output:
        ...     for line in output.lines():
        ...         print(line)
    """

    _async: native.Reader

    @property
    def received(self) -> int:
        return self._async.received

    def open(self) -> Self:
        """Open it now, so that an error such as 404 is raised here."""
        self._run(self._async.__aenter__)
        return self

    def __enter__(self) -> Self:
        self._run(self._async.__aenter__)
        return self

    @property
    def position(self) -> int | None:
        """Bytes of the stream before the first that comes here; None if the Hub does not count, or it is not open."""
        return self._async.position

    def close(self) -> None:
        """Close the stream and its connection; does nothing if it is closed."""
        self._leave(self._async.close)
