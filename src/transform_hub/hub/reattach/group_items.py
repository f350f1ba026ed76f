"""Items that a reader group has given out, in memory that outlives the Hub.

    header │ place 0: header page, item │ place 1 │ ...      one memfd per group; places are sparse, and used again

A place counts as soon as its state is written, an item as taken from the topic with that: so a Hub that is killed has
taken an item and kept it, or neither.
"""

from __future__ import annotations

import contextlib
import heapq
import mmap
import os
import struct

from transform_hub.hub.reattach.fdstore import FdStore
from transform_hub.hub.topics.groups import Item
from transform_hub.messages import HEAD, LIMIT

PREFIX = "group:"
"""Begins the names under which groups are held."""

_POSITION = struct.Struct("=QQ")  # whether there is one, and where
_PLACE = struct.Struct("=QQQQ")  # state, start, size, tries
_STATE = struct.Struct("=Q")
_PAGE = mmap.ALLOCATIONGRANULARITY
_STRIDE = -(-(_PAGE + HEAD + LIMIT) // _PAGE) * _PAGE
_LARGE = 64 * 1024
"""Bytes of an item whose memory is given back when it is done."""


class GroupItems:
    """Keeps the items of a group that are given out and not done.

    Args:
        fdstore: what holds its memory, under a name.
        name: which says the topic's number and the group.
        descriptor: of the memory that an earlier Hub has made.
    """

    def __init__(self, fdstore: FdStore, name: str, descriptor: int | None = None) -> None:
        self._fdstore, self._name = fdstore, name
        self._memory = os.memfd_create("group") if descriptor is None else descriptor
        self._places = 0
        self._free: list[int] = []
        self._found: list[Item] = []
        self.position: int | None = None
        if descriptor is not None:
            self._restore()
        fdstore.hold(name, {"group": self._memory})

    def _restore(self) -> None:
        size = os.fstat(self._memory).st_size
        known, position = _POSITION.unpack(os.pread(self._memory, _POSITION.size, 0).ljust(_POSITION.size, b"\0"))
        for place in range(-(-max(size - _PAGE, 0) // _STRIDE)):
            header = os.pread(self._memory, _PLACE.size, _offset(place))
            self._places = place + 1
            state, start, length, tries = _PLACE.unpack(header.ljust(_PLACE.size, b"\0"))
            if not state:
                heapq.heappush(self._free, place)
                continue
            data = os.pread(self._memory, length, _offset(place) + _PAGE)
            self._found.append(Item(start, data, tries, place))
            position = max(position, start + length)
        self.position = position if known else None

    def begin(self, position: int) -> None:
        self.position = position
        os.pwrite(self._memory, _POSITION.pack(1, position), 0)

    def add(self, item: Item) -> None:
        if self._free:
            item.place = heapq.heappop(self._free)
        else:
            item.place, self._places = self._places, self._places + 1
        offset = _offset(item.place)
        _write(self._memory, item.data, offset + _PAGE)
        os.pwrite(self._memory, _PLACE.pack(0, item.start, len(item.data), item.tries), offset)
        os.pwrite(self._memory, _STATE.pack(1), offset)
        self.begin(item.start + len(item.data))

    def tried(self, item: Item) -> None:
        os.pwrite(self._memory, _PLACE.pack(1, item.start, len(item.data), item.tries), _offset(item.place))

    def remove(self, item: Item) -> None:
        os.pwrite(self._memory, _STATE.pack(0), _offset(item.place))
        heapq.heappush(self._free, item.place)
        if len(item.data) > _LARGE:
            with contextlib.suppress(OSError), mmap.mmap(
                self._memory, len(item.data), offset=_offset(item.place) + _PAGE
            ) as mapped:  # fmt: skip
                mapped.madvise(mmap.MADV_REMOVE)

    def items(self) -> list[Item]:
        found, self._found = self._found, []
        return found

    def close(self) -> None:
        if self._memory >= 0:
            self._fdstore.release(self._name)
            os.close(self._memory)
            self._memory = -1


def _offset(place: int) -> int:
    return _PAGE + place * _STRIDE


def _write(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
