"""How far an Instance is in its topics, written down so that another run, or another Hub, goes on right there.

Where it is written is of no concern here: words of memory, shared with the next Hub or not.
"""

from __future__ import annotations

import contextlib
from typing import Protocol

_MASK = (1 << 64) - 1
_TOPIC, _FROM, _END, _TO = range(4)
_BEHIND, _ITEM = 1, 2
_MESSAGE = 4


class Words(Protocol):
    """Some words of 64 bits."""

    def __getitem__(self, place: int, /) -> int: ...

    def __setitem__(self, place: int, value: int, /) -> None: ...


class Provided:
    """How far the output of an Instance is in a topic.

        from, to    positions of the output: up to here it is in the topic, if that ends before or at ``end``
        end         where the topic ends with what came last

        message     where in the output the message ends that has begun, if the topic carries such

    They are written before that is counted as part of the topic, in an order that is right after each step.

    Args:
        words: five of them.
    """

    def __init__(self, words: Words) -> None:
        self._words = words

    @property
    def topic(self) -> int:
        """The number of the topic that the output goes to; 0 if to none."""
        return self._words[_TOPIC]

    @property
    def carried(self) -> int:
        """Up to where the output went to this topic, or that before."""
        return self._words[_TO]

    def begin(self, topic: int, position: int) -> None:
        """The output goes to a topic from a position on."""
        self._words[_FROM] = self._words[_TO] = position
        self._words[_END] = 0
        self._words[_TOPIC] = topic

    def position(self, end: int) -> int:
        """Up to where the output is in the topic, which ends there."""
        return self._words[_TO] if end >= self._words[_END] else self._words[_FROM]

    @property
    def message_end(self) -> int:
        """Where in the output the message ends that is written now."""
        return self._words[_MESSAGE]

    @message_end.setter
    def message_end(self, position: int) -> None:
        with contextlib.suppress(ValueError):  # the Instance is gone, and its memory given back
            self._words[_MESSAGE] = position

    def settle(self, end: int) -> None:
        """Fix the current position before other writers append; the topic still ends at ``end``."""
        self.begin(self.topic, self.position(end))

    def intend(self, end: int, position: int) -> None:
        """The output is in the topic up to a position as soon as the topic ends at ``end``."""
        with contextlib.suppress(ValueError):  # the Instance is gone, and its memory given back
            self._words[_FROM] = self._words[_TO]
            self._words[_END] = end
            self._words[_TO] = position

    def forget(self) -> None:
        """The output goes to no topic."""
        with contextlib.suppress(ValueError):  # the same
            self._words[_TOPIC] = 0


class Required:
    """Which byte of a topic an Instance gets next: the position of its input, and how far the topic is ahead of it.

    A member of a group has an item as well: where it begins in the topic, plus 1.

    Args:
        words: three of them.
    """

    def __init__(self, words: Words) -> None:
        self._words = words

    @property
    def topic(self) -> int:
        """The number of the topic that the input comes from; 0 if from none."""
        return self._words[_TOPIC]

    def begin(self, topic: int, position: int, sent: int) -> None:
        """The input comes from a position of the topic on, when so much of the input has been sent."""
        self._words[_BEHIND] = (position - sent) & _MASK
        self._words[_TOPIC] = topic

    def position(self, sent: int) -> int:
        """Where in the topic the input is."""
        return (self._words[_BEHIND] + sent) & _MASK

    def begin_item(self, topic: int, start: int, sent: int) -> None:
        """The input is given an item of a topic, when so much of it has been sent."""
        self._words[_ITEM] = 0
        self.begin(topic, start, sent)
        self._words[_ITEM] = start + 1

    @property
    def item(self) -> int | None:
        """Where the item begins in the topic that was given last."""
        item = self._words[_ITEM]
        return item - 1 if item else None
