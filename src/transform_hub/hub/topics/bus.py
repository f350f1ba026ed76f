"""Topics: named streams between Instances and the outside, with any number of writers and readers at once.

    POST /topic/:name    ─┐                       ┌─> GET /topic/:name
    POST /topic/:name    ─┼─> lines ─> Channel ───┼─> GET /topic/:name
    Instance (provides)  ─┘                       └─> Instance (requires)

What they promise:

    items      Where a topic carries messages (hub.topics.items) an item is one of them: never torn, never mixed.
               Where it carries text or ndjson an item is a line. A line is handed on whole, once its newline has
               come or its writer has come to its end (in ndjson it gets its newline then; text stays as it is, and the
               next writer goes on in that line). Lines of different writers never mix, up to
               LINE_LIMIT. A binary topic has no items: chunks of writers alternate, cut anywhere.
    order      Each writer's items keep their order; writers take turns as they come. Nothing is doubled.
    readers    All readers that are there get everything, paced by the slowest. A reader that comes later starts with
               what no other has had yet, so what was written before the first one waits for it.
    a reader   ... that leaves holds nobody any more. What it took is gone, what it had not taken goes to the others, or
               waits for the next if it was the last. One that stays but takes nothing holds up the topic; the Hub's log
               says so after STALL seconds.
    a group    ... of readers is one reader to all others; each item goes to one of its members, see hub.topics.groups.
    nobody     ... reads: LIMIT bytes (of hub.channel) are kept, then writers wait.
    a writer   ... that ends leaves the topic as it is: topics have no end. One that breaks off in the middle of a line
               (its client goes away, its Instance is killed) takes the piece with it; whole lines before it stay.
    deleting   Readers get what is left and then the end of the stream (an Instance: the end of its input). Writers
               get an error with their next item. A topic of the same name made later is another topic.

A topic is made by the first who writes or reads it, or beforehand by ``POST /topics``: no difference. Its content
type is fixed from then on. An Instance that provides the topic it requires gets its own items back.

The Hub uses topics through :class:`TopicBus` and :class:`Topic` alone. Local topics are in
:mod:`transform_hub.hub.topics.local`; another bus has the same few methods, over whatever carries its items.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from types import MappingProxyType
from typing import NamedTuple, Protocol

from transform_hub.hub.errors import ApiError
from transform_hub.hub.topics.progress import Provided
from transform_hub.models.rules import TOPIC_NAME, TOPIC_TYPES

UNSUPPORTED = f"Unsupported content-type: a topic carries {', '.join(TOPIC_TYPES[:-1])} or {TOPIC_TYPES[-1]}"


class TopicFigures(NamedTuple):
    """What is known of a topic at this moment.

    Attributes:
        held: bytes that the slowest reader has not had; without readers, those that none has had.
        readers, writers: how many there are, taps left out; a group is one reader.
        waiting: how many writers wait because the topic is full.
        written: bytes that it has carried.
        groups: how many members each group of readers has.
    """

    held: int
    readers: int
    writers: int
    waiting: int
    written: int
    groups: Mapping[str, int] = MappingProxyType({})


class TopicReader(AbstractAsyncContextManager["TopicReader"], Protocol):
    """One reader of a topic, an async iterator over its bytes; to be entered before it is used.

    Attributes:
        position: of the next byte, counted from the start of the topic.
        missed: bytes that a tap was too slow for.
    """

    position: int
    missed: int

    async def read(self) -> bytes:
        """The next bytes as soon as there are any; ``b""`` when the topic was deleted and all of it was read."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...


class TopicItem(Protocol):
    """An item that is given to a member of a group.

    Attributes:
        start: its position in the topic.
        data: the bytes of it.
    """

    start: int
    data: bytes


class TopicMember(AbstractContextManager["TopicMember"], Protocol):
    """One member of a group of readers, to be entered before it is used; what it has not done goes to another one."""

    async def next(self) -> TopicItem | None:
        """The next item, as soon as there is one for it; None when the topic was deleted and nothing is left."""

    def resume(self, start: int) -> TopicItem | None:
        """Go on with the item that begins there, which it got with an earlier Hub; None if that is done."""

    def done(self) -> None:
        """The item that it got last is done."""

    def fail(self, tell: Callable[[str], object], *, counts: bool = True) -> None:
        """It has not done the item that it got last; what becomes of that is told.

        Args:
            tell: is called with it.
            counts: whether the item may be to blame.
        """


class TopicWriter(AbstractAsyncContextManager["TopicWriter"], Protocol):
    """One writer of a topic, to be entered before it is used; one that leaves without an end has broken off.

    Attributes:
        incomplete: bytes of an item whose end has not come yet.
        missing: bytes that a message still lacks whose length is known.
    """

    @property
    def incomplete(self) -> int: ...

    @property
    def missing(self) -> int: ...

    async def write(self, data: bytes) -> None:
        """Add bytes as soon as there is room.

        Raises:
            ChannelClosedError: the topic was deleted.
            ApiError: the topic carries messages, and these are none.
        """

    def skip(self, size: int) -> None:
        """Leave out bytes of what is written; its ``provided`` goes on behind them."""

    async def end(self) -> None:
        """Everything was written; the topic goes on.

        Raises:
            ChannelClosedError: the topic was deleted.
            ApiError: the topic carries messages, and the last one is not whole.
        """


class Topic(Protocol):
    """A named stream.

    Attributes:
        number: tells it from others that had or will have its name; not 0.
    """

    @property
    def name(self) -> str: ...

    @property
    def content_type(self) -> str: ...

    @property
    def number(self) -> int: ...

    @property
    def written(self) -> int:
        """Where it ends: bytes that it has carried."""

    def writer(self, provided: Provided | None = None) -> TopicWriter:
        """A new writer.

        Args:
            provided: where to write down how far the writer is, before each item is added.
        """

    def reader(self, at: int | None = None, *, tap: bool = False) -> TopicReader:
        """A new reader: from a position on, as far as it is kept; else of what no other has had; or a tap."""

    def member(self, group: str) -> TopicMember:
        """A new member of a group of readers, which comes to be with its first one.

        Raises:
            ApiError: the name is not possible, the topic has no items, or this bus has no groups.
        """

    def figures(self) -> TopicFigures:
        """What is known of it at this moment."""


class TopicBus(Protocol):
    """All topics, by name."""

    async def topics(self) -> list[Topic]:
        """The topics there are."""

    async def find(self, name: str) -> Topic | None:
        """The topic of that name; None if there is none."""

    async def topic(self, name: str, content_type: str) -> Topic:
        """The topic of that name, made if there is none.

        Raises:
            ApiError: the name or type is not possible, or the topic has another type.
        """

    async def remove(self, name: str) -> None:
        """Delete a topic.

        Raises:
            ApiError: there is none.
        """

    async def close(self) -> None:
        """End all topics."""


def check_name(name: str) -> None:
    """Refuse a name that no topic may have.

    Raises:
        ApiError: it is one.
    """
    if not TOPIC_NAME.fullmatch(name):
        raise ApiError(400, "Topic id incorrect format", reason="Topic id incorrect format")


def check_type(name: str, content_type: str, carries: str | None) -> None:
    """Refuse a content type that no topic may carry, or that the topic of that name does not (None: there is none).

    Raises:
        ApiError: it is refused.
    """
    if content_type not in TOPIC_TYPES:
        raise ApiError(400, UNSUPPORTED)
    if carries not in (None, content_type):
        message = f"Topic {name} carries {carries}, not {content_type}"
        raise ApiError(415, message, reason="Unsupported content-type")
