"""A bus of topics over SQLite, which shares no code with the local one: what it can do any bus can.

topic(number, name, type, ended, taken)    one row per topic; a deleted one stays for its readers
piece(topic, start, data)                  the bytes of a topic, by the position of their first
"""

import asyncio
import sqlite3

from transform_hub.hub.channels.channel import ChannelClosedError
from transform_hub.hub.errors import ApiError
from transform_hub.hub.topics.bus import TopicFigures, check_name, check_type
from transform_hub.models.rules import MESSAGES

LINE_LIMIT = 1 << 24


class SqliteTopics:
    """All topics.

    Args:
        limit: bytes that a topic holds before its writers wait.
    """

    def __init__(self, path=":memory:", limit=1 << 20):
        self.limit = limit
        self._topics = {}
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.executescript(
            "PRAGMA synchronous=OFF;"
            "CREATE TABLE topic(number INTEGER PRIMARY KEY, name, type, ended DEFAULT 0, taken DEFAULT 0);"
            "CREATE TABLE piece(topic, start, data, PRIMARY KEY(topic, start)) WITHOUT ROWID;"
        )

    def end_of(self, number):
        sql = "SELECT start + length(data) FROM piece WHERE topic = ? ORDER BY start DESC LIMIT 1"
        return (self.db.execute(sql, (number,)).fetchone() or (0,))[0]

    async def topics(self):
        return [*self._topics.values()]

    async def find(self, name):
        return self._topics.get(name)

    async def topic(self, name, content_type):
        check_name(name)
        there = self._topics.get(name)
        check_type(name, content_type, there.content_type if there else None)
        if content_type == MESSAGES:
            raise ApiError(400, "This bus carries no messages")
        if there is None:
            there = self._topics[name] = SqliteTopic(self, name, content_type)
        return there

    async def remove(self, name):
        check_name(name)
        if name not in self._topics:
            raise ApiError(404, f"Topic {name} not found")
        self._topics.pop(name).end()

    async def close(self):
        for topic in self._topics.values():
            topic.end()


class SqliteTopic:
    def __init__(self, bus, name, content_type):
        self.bus, self.name, self.content_type = bus, name, content_type
        self.number = bus.db.execute("INSERT INTO topic(name, type) VALUES (?, ?)", (name, content_type)).lastrowid
        self.readers, self.writers, self.waiting = set(), set(), 0
        self.turns = asyncio.Lock()
        self.wakers = set()

    def value(self, sql, *arguments):
        return self.bus.db.execute(sql, (self.number, *arguments)).fetchone()[0]

    @property
    def written(self):
        return self.bus.end_of(self.number)

    @property
    def oldest(self):
        return self.value(
            "SELECT coalesce(min(start), 0) FROM (SELECT start FROM piece WHERE topic = ? ORDER BY start LIMIT 1)"
        )

    @property
    def taken(self):
        return self.value("SELECT taken FROM topic WHERE number = ?")

    @property
    def ended(self):
        return bool(self.value("SELECT ended FROM topic WHERE number = ?"))

    @property
    def first(self):
        return min((reader.position for reader in self.readers), default=self.taken)

    def figures(self):
        return TopicFigures(
            held=self.written - self.first,
            readers=len(self.readers),
            writers=len(self.writers),
            waiting=self.waiting,
            written=self.written,
        )

    def writer(self, provided=None):
        return SqliteWriter(self, provided)

    def member(self, group):
        raise ApiError(400, "This bus has no groups of readers")

    def reader(self, at=None, *, tap=False):
        return SqliteReader(self, at, tap=tap)

    def end(self):
        self.bus.db.execute("UPDATE topic SET ended = 1 WHERE number = ?", (self.number,))
        self.wake()

    def take(self, position):
        self.bus.db.execute("UPDATE topic SET taken = max(taken, ?) WHERE number = ?", (position, self.number))
        forget = min(self.first, self.written - 2 * self.bus.limit)
        self.bus.db.execute("DELETE FROM piece WHERE topic = ? AND start + length(data) <= ?", (self.number, forget))
        self.wake()

    def wake(self):
        for waker in self.wakers:
            waker.set()

    async def until(self, condition):
        waker = asyncio.Event()
        self.wakers.add(waker)
        try:
            while not condition():
                waker.clear()
                await waker.wait()
        finally:
            self.wakers.discard(waker)

    async def add(self, data, intend):
        self.waiting += 1
        try:
            async with self.turns:
                if self.written - self.first >= self.bus.limit:
                    await self.until(lambda: self.ended or (self.written - self.first) * 2 <= self.bus.limit)
        finally:
            self.waiting -= 1
        if self.ended:
            raise ChannelClosedError
        start = self.written
        if data:
            intend(start + len(data))
            self.bus.db.execute("INSERT INTO piece VALUES (?, ?, ?)", (self.number, start, data))
            self.wake()


class SqliteWriter:
    missing = 0

    def __init__(self, topic, provided):
        self.topic, self.provided = topic, provided
        self.begun = b""
        self.position = provided.position(topic.written) if provided else 0
        topic.writers.add(self)

    @property
    def incomplete(self):
        return len(self.begun)

    def intend(self, end):
        if self.provided:
            self.provided.intend(end, self.position)

    def skip(self, size):
        self.position += size

    async def add(self, data):
        self.position += len(data)
        await self.topic.add(data, self.intend)

    async def write(self, data):
        if self.topic.content_type == "application/octet-stream":
            await self.add(data)
            return
        whole, newline, rest = (self.begun + data).rpartition(b"\n")
        self.begun = rest
        if newline:
            await self.add(whole + newline)
        if len(self.begun) >= LINE_LIMIT:
            data, self.begun = self.begun, b""
            await self.add(data)

    async def end(self):
        if self.begun:
            data, self.begun = self.begun + (b"\n" if "ndjson" in self.topic.content_type else b""), b""
            await self.add(data)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        self.topic.writers.discard(self)


class SqliteReader:
    def __init__(self, topic, at, *, tap):
        self.topic, self.tap, self.missed = topic, tap, 0
        at = (topic.written if tap else topic.taken) if at is None else at
        self.position = min(max(at, topic.oldest), topic.written)
        if not tap:
            topic.readers.add(self)

    async def read(self):
        await self.topic.until(lambda: self.topic.ended or self.position < self.topic.written)
        if self.tap and self.position < self.topic.oldest:
            self.missed += self.topic.oldest - self.position
            self.position = self.topic.oldest
        sql = "SELECT start, data FROM piece WHERE topic = ? AND start <= ? ORDER BY start DESC LIMIT 1"
        start, data = self.topic.bus.db.execute(sql, (self.topic.number, self.position)).fetchone() or (0, b"")
        data = data[self.position - start :]
        self.position += len(data)
        if not self.tap:
            self.topic.take(self.position)
        return data

    def close(self):
        if self in self.topic.readers:
            self.topic.readers.discard(self)
            self.topic.take(self.position)

    async def __aiter__(self):
        while data := await self.read():
            yield data

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        self.close()
