"""What runners say on their control channel (see :mod:`transform_hub.protocol`), checked.

A Sequence shares its process with its runner and can write anything there: what is not as it should be is an error
of that one Instance.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from transform_hub.protocol import Message

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class TopicDeclaration(msgspec.Struct, rename="camel"):
    """A topic that a Sequence provides or requires."""

    topic: str
    content_type: str
    group: str | None = None


class Declared(msgspec.Struct, tag="topic"):
    """What was found on the result of ``run``."""

    provides: TopicDeclaration | None = None
    requires: TopicDeclaration | None = None


class Running(Declared, tag="running"):
    """The Sequence is loaded; what its module declares."""


class Checks(msgspec.Struct, tag="checks"):
    """The Sequence has set health checks, for the nth time."""

    checks: Count


class Heartbeat(msgspec.Struct, tag="health"):
    """The latest answer of the Sequence's health checks, and its age in ms."""

    health: dict[str, Any]
    age: Count = 0
    checks: Count = 0


class Event(msgspec.Struct, tag="event", rename="camel"):
    """An event that the Sequence emits."""

    event_name: str
    message: Any = None


class Listens(msgspec.Struct, tag="listens", rename="camel"):
    """It has listeners for events of these names, too; None means of any."""

    event_names: list[str] | None


class Wants(msgspec.Struct, tag="wants"):
    """The Sequence asks for the next item of its input; it is done with all before this position."""

    position: int


class OutputType(msgspec.Struct, tag="output", rename="camel"):
    """What its output is."""

    content_type: str


class Alive(msgspec.Struct, tag="alive"):
    """It wants to go on after a stop."""


class LastWord(msgspec.Struct, tag="exit"):
    """How it ends; nothing comes after it."""

    code: int
    error: str | None = None
    left: bool = False


RunnerMessage = Declared | Running | Checks | Heartbeat | Event | Listens | Wants | OutputType | Alive | LastWord


def parse_message(message: Message) -> RunnerMessage:
    """Parse a line of control.

    Raises:
        ValueError: it is no message.
    """
    try:
        known: RunnerMessage = msgspec.convert(message, RunnerMessage)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    return known
