"""Reader groups: several readers of a topic that share its items, each of which goes to one of them.

    topic ── one reader, item by item ──> Group ── next() ──> member ──┬── done() ── the item is settled
                                            ^                         │
                                            └─── returned ── leave() ─┘   the member is gone, the item is not done

A member has one item at a time. An item that is given out leaves the topic, so that a slow member holds up nobody, and
is kept by the group until it is done. One that is returned is given out before any other. One on which TRIES members
have failed is dropped, and the log tells it.

A group without members holds nobody, as a reader that has left. When a member comes again it goes on where it was, as
far as the topic still has that.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Protocol

from transform_hub.hub.channels.channel import Channel
from transform_hub.hub.channels.reader import ChannelReader
from transform_hub.hub.errors import ApiError
from transform_hub.hub.topics.items import Cutter
from transform_hub.models.rules import BINARY, GROUP_NAME, GROUP_RULE

log = logging.getLogger(__name__)

TRIES = 3
"""Members that may fail on an item."""


@dataclasses.dataclass(eq=False)
class Item:
    """An item of a topic that is given out.

    Attributes:
        start: its position in the topic.
        data: all of it, with its newline, or the length before a message.
        tries: members that have failed on it.
        place: where a store keeps it.
    """

    start: int
    data: bytes
    tries: int = 0
    place: int = 0

    def __str__(self) -> str:
        shown = repr(self.data[:60])[1:] + ("..." if len(self.data) > 60 else "")
        return f"{len(self.data)} bytes at {self.start}: {shown}"


class ItemStore(Protocol):
    """Keeps the items of a group that are given out and not done.

    Attributes:
        position: of the next item in the topic; None if there was no member yet.
    """

    @property
    def position(self) -> int | None: ...

    def begin(self, position: int) -> None:
        """The group reads from a position on."""

    def add(self, item: Item) -> None:
        """Keep an item, which is the next of the topic."""

    def tried(self, item: Item) -> None:
        """The tries of an item have changed."""

    def remove(self, item: Item) -> None:
        """An item is done, or dropped."""

    def items(self) -> list[Item]:
        """What an earlier Hub has kept."""

    def close(self) -> None:
        """The topic is gone."""


class MemoryItems:
    """Keeps them nowhere else: they are gone with the Hub, as the topic is."""

    def __init__(self) -> None:
        self.position: int | None = None

    def begin(self, position: int) -> None:
        self.position = position

    def add(self, item: Item) -> None:
        self.position = item.start + len(item.data)

    def tried(self, item: Item) -> None:
        """The item itself has them."""

    def remove(self, item: Item) -> None:
        """Nothing is kept."""

    def items(self) -> list[Item]:
        return []

    def close(self) -> None:
        """Nothing is kept."""


def check_group(name: str, topic: str, content_type: str) -> None:
    """Refuse a group that can't be.

    Raises:
        ApiError: its name is not possible, or the topic has no items.
    """
    if not GROUP_NAME.fullmatch(name):
        raise ApiError(400, f"Invalid group format: {GROUP_RULE}")
    if content_type == BINARY:
        raise ApiError(
            400, f"Topic {topic} carries {BINARY}, which has no items that a group could share: send whole messages"
        )


class Group:
    """A named group of readers of one topic.

    Args:
        name: of the group.
        topic: the name of the topic.
        content_type: of the topic.
        channel: of the topic.
        store: keeps what is given out.
    """

    def __init__(self, name: str, topic: str, content_type: str, channel: Channel, store: ItemStore) -> None:
        self.name, self._topic = name, topic
        self.members: set[Member] = set()
        self._channel, self._store = channel, store
        self._cutter = Cutter(content_type, channel.peek, channel.limit)
        self._reader: ChannelReader | None = None
        self._turn = asyncio.Lock()  # first come, first served
        self._unclaimed = {item.start: item for item in store.items()}
        self._returned: deque[Item] = deque()

    def __str__(self) -> str:
        return f"group {self.name} of topic {self._topic}"

    def member(self) -> Member:
        """Another member, to be entered before it is used."""
        return Member(self)

    def close(self) -> None:
        """The topic is deleted: once its members have gone nothing is left of the group."""
        if self.members:
            return
        if left := len(self._returned) + len(self._unclaimed):
            log.warning("The %s ends with its topic: %d items that were given out and not done are lost", self, left)
        self._returned.clear()
        self._unclaimed.clear()
        self._store.close()

    def settle(self) -> None:
        """Whoever goes on with an item from an earlier Hub has claimed it: the others are returned."""
        for start in sorted(self._unclaimed):
            self._return(self._unclaimed.pop(start))

    # What follows is called by members only.

    def enter(self, member: Member) -> None:
        """A member comes."""
        if self._reader is None:
            wanted = self._store.position
            self._reader = self._channel.reader(wanted)
            if wanted is not None and self._reader.position > wanted:
                lost = self._reader.position - wanted
                log.warning("The %s had no members: %d bytes went by that the topic no longer has", self, lost)
            self._store.begin(self._reader.position)
        self.members.add(member)

    def leave(self, member: Member) -> None:
        """A member goes."""
        self.members.discard(member)
        if self.members or self._reader is None:
            return
        self._reader.close()
        self._reader = None
        if self._channel.closed:
            self.close()

    def claim(self, start: int) -> Item | None:
        """The item of an earlier Hub that begins there; None if it is done."""
        return self._unclaimed.pop(start, None)

    async def next(self) -> Item | None:
        """The next item, as soon as there is one; None when the topic was deleted and nothing is left."""
        async with self._turn:
            while True:
                if self._returned:
                    return self._returned.popleft()
                if item := self._cut():
                    return item
                if self._channel.closed:
                    return None
                assert self._reader is not None
                await self._reader.wait()

    def _cut(self) -> Item | None:
        assert self._reader is not None
        start = self._reader.position
        data = self._cutter.cut(start, is_last=self._channel.closed)
        if not data:
            return None
        item = Item(start, data)
        self._store.add(item)  # first: a Hub that is killed in between knows by it that the topic has given the item
        self._channel.advance(self._reader, len(data))
        return item

    def done(self, item: Item) -> None:
        """An item is settled."""
        self._store.remove(item)

    def give_back(self, item: Item, *, failed: bool) -> bool:
        """A member has not done an item; False if it is dropped, since as many as may have failed on it."""
        if failed:
            item.tries += 1
            self._store.tried(item)
        if item.tries >= TRIES:
            log.warning("The %s drops an item after %d members have failed on it: %s", self, item.tries, item)
            self._store.remove(item)
            return False
        self._return(item)
        return True

    def _return(self, item: Item) -> None:
        self._returned.append(item)
        if self._reader is not None:
            self._reader.wake()


class Member:
    """One member of a group; a context manager that returns what is not done when it is left.

    Attributes:
        item: that it has now.
    """

    def __init__(self, group: Group) -> None:
        self.group = group
        self.item: Item | None = None

    async def next(self) -> Item | None:
        """The next item for it, as soon as there is one; None when there will be none."""
        self.item = await self.group.next()
        return self.item

    def resume(self, start: int) -> Item | None:
        """Go on with the item of an earlier Hub that begins there; None if it is done."""
        self.item = self.group.claim(start)
        return self.item

    def done(self) -> None:
        """Its item is done."""
        if self.item is not None:
            self.group.done(self.item)
            self.item = None

    def fail(self, tell: Callable[[str], object], *, counts: bool = True) -> None:
        """It has not done its item, and if that ``counts`` has failed on it; what becomes of the item is told."""
        item, self.item = self.item, None
        if item is None:
            return
        if self.group.give_back(item, failed=counts):
            tell(f"An item of the {self.group} was not done and goes to another member: {item}")
        else:
            tell(f"An item of the {self.group} is dropped after {item.tries} members have failed on it: {item}")

    def __enter__(self) -> Member:  # noqa: PYI034 - Self is in typing since 3.11
        self.group.enter(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.item is not None:
            self.group.give_back(self.item, failed=False)
            self.item = None
        self.group.leave(self)
