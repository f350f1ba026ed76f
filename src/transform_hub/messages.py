"""Whole binary messages in a stream of bytes.

    4 bytes, big-endian: how many follow │ the message │ 4 bytes │ ...

Topics of the content type :data:`MESSAGES` carry them, and the input of an Instance that is a member of a reader group.
"""

from __future__ import annotations

HEAD = 4
"""Bytes before each message."""

LIMIT = 64 * 1024 * 1024
"""Bytes of the longest message."""

MESSAGES = "application/vnd.scramjet.messages"


class MessageTooLongError(ValueError):
    """A message is longer than :data:`LIMIT`, or what was sent as messages is something else."""

    def __init__(self, size: int) -> None:
        super().__init__(
            f"a message of {size} bytes: the longest has {LIMIT}, and 4 bytes before it say how long it is"
        )


def head(size: int) -> bytes:
    """What stands before a message of so many bytes.

    Raises:
        MessageTooLongError: it is too long.
    """
    if size > LIMIT:
        raise MessageTooLongError(size)
    return size.to_bytes(HEAD, "big")


class LengthPrefixedBuffer:
    """Makes whole messages of a stream of bytes.

    Attributes:
        size: bytes of the message that has begun and not ended, its head included.
        ends: where the messages of the latest block end in it.
    """

    def __init__(self) -> None:
        self.size = 0
        self.ends: list[int] = []
        self._begun: list[bytes] = []
        self._needed = HEAD  # what `size` has to reach before there is anything to be found out

    @property
    def missing(self) -> int:
        """Bytes that the begun message still lacks; 0 if none has begun, or its length is not known yet."""
        return self._needed - self.size if self.size >= HEAD else 0

    def block(self, data: bytes) -> bytes:
        """Add bytes; all messages that are whole now, with their heads, in one piece.

        Raises:
            MessageTooLongError: one is too long.
        """
        self.ends = []
        self._begun.append(data)
        self.size += len(data)
        if self.size < self._needed:
            return b""
        data = b"".join(self._begun) if len(self._begun) > 1 else data
        end = 0
        while True:
            self._needed = HEAD
            if len(data) - end < HEAD:
                break
            size = int.from_bytes(data[end : end + HEAD], "big")
            if size > LIMIT:
                raise MessageTooLongError(size)
            self._needed += size
            if len(data) - end < self._needed:
                break
            end += self._needed
            self.ends.append(end)
        rest = data[end:]
        self._begun, self.size = [rest] if rest else [], len(rest)
        return data[:end]

    def messages(self, data: bytes) -> list[bytes]:
        """Add bytes; the messages that are whole now, without their heads.

        Raises:
            MessageTooLongError: one is too long.
        """
        block = self.block(data)
        return [block[start + HEAD : end] for start, end in zip([0, *self.ends], self.ends, strict=False)]

    def flush(self) -> bytes:
        """What has come of the message that has begun and not ended; it is forgotten here."""
        begun = b"".join(self._begun)
        self._begun, self.size, self._needed = [], 0, HEAD
        return begun
