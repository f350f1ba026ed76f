"""Topics under any order of writing, reading, leaving, breaking off and deleting, against a model of what they promise.

The model is the list of lines as they were handed on; a reader has to get exactly what follows its place in it.
"""

import asyncio
from unittest.mock import patch

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from sqlite_bus import SqliteTopics
from transform_hub.hub.channels import memory
from transform_hub.hub.channels.channel import Channel, ChannelClosedError
from transform_hub.hub.topics.local import LocalTopic, LocalTopics
from transform_hub.models.rules import NDJSON

LIMIT = 200
LONGEST = 60


class Writer:
    """A writer and what it has written: its lines are numbered, ``<writer>:<number>:xxx``."""

    def __init__(self, number, topic):
        self.number, self.topic = number, topic
        self.source = topic.writer()
        self.unsent = b""
        self.lines = []
        self.task = None

    def next_line(self, length):
        self.lines.append(b"%d:%d:%s\n" % (self.number, len(self.lines), b"x" * length))
        return self.lines[-1]


class Reader:
    def __init__(self, stream, place, model):
        self.stream, self.place, self.model = stream, place, model
        self.task = None


class Model:
    """What was handed on, in one piece; how far any reader has come."""

    def __init__(self):
        self.log = b""
        self.taken = 0
        self.deleted = False


class TopicMachine(RuleBasedStateMachine):
    """Any bus; what is handed on is seen through a tap."""

    def make_bus(self):
        raise NotImplementedError

    writers = Bundle("writers")
    readers = Bundle("readers")

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.small_reads = patch.object(memory, "JOIN", 50)
        self.small_reads.start()
        self.bus = self.make_bus()
        self.count = 0
        self.everybody = []
        self.listening = []
        self._make()

    def teardown(self):
        for end in (*self.everybody, *self.listening):
            if end.task is not None:
                end.task.cancel()
        self._turn()
        self.loop.close()
        self.small_reads.stop()

    def _make(self):
        self.topic = self.loop.run_until_complete(self.bus.topic("t", NDJSON))
        self.model = Model()
        self.tap = self.topic.reader(tap=True)

    def _look(self):
        """Have in the model what was handed on."""

        async def look():
            while self.tap.position < self.topic.written:
                self.model.log += await self.tap.read()
            assert self.tap.missed == 0

        self.loop.run_until_complete(look())

    def _turn(self):
        """Let everybody do what can be done now."""

        async def some_turns():
            for _ in range(10):
                await asyncio.sleep(0)

        self.loop.run_until_complete(some_turns())
        if not self.model.deleted:
            self._look()

    def _run(self, end, coroutine):
        end.task = self.loop.create_task(coroutine)
        self._turn()

    # --- writers ---

    @rule(target=writers)
    def come_to_write(self):
        self.count += 1
        writer = Writer(self.count, self.topic)
        self.everybody.append(writer)
        return writer

    @rule(writer=writers, lengths=st.lists(st.integers(0, LONGEST), min_size=1, max_size=4), cut=st.integers(0, 80))
    def write(self, writer, lengths, cut):
        """Write some lines; what is after the cut waits for the next time."""
        if writer.task is not None and not writer.task.done():
            return
        data = writer.unsent + b"".join(writer.next_line(length) for length in lengths)
        now, writer.unsent = data[: len(data) - cut], data[len(data) - cut :] if cut else b""
        self._run(writer, writer.source.write(now))

    @rule(writer=consumes(writers))
    def end(self, writer):
        """The writer sends what it has left and ends, as soon as it may."""

        async def rest(before):
            if before is not None:
                await before
            await writer.source.write(writer.unsent)
            await writer.source.end()
            writer.unsent = b""

        self._run(writer, rest(writer.task))

    @rule(writer=consumes(writers))
    def break_off(self, writer):
        if writer.task is not None:
            writer.task.cancel()
        self._turn()

    # --- readers ---

    @rule(target=readers)
    def come_to_read(self):
        reader = Reader(self.topic.reader(), self.model.taken, self.model)
        self.listening.append(reader)
        return reader

    @rule(reader=readers)
    def read(self, reader):
        """Something to read is read at once; without it the reader waits (and reads when there is)."""
        if reader.task is not None:
            return
        ready = reader.place < len(reader.model.log)
        self._run(reader, self._take(reader))
        assert (reader.task is None) == (ready or reader.model.deleted)

    async def _take(self, reader):
        data = await reader.stream.read()
        if reader.model is self.model and not reader.model.deleted:
            while self.tap.position < self.topic.written:
                reader.model.log += await self.tap.read()
        expected = reader.model.log[reader.place : reader.place + len(data)]
        assert data == expected
        assert data or reader.model.deleted
        reader.place += len(data)
        reader.model.taken = max(reader.model.taken, reader.place)
        reader.task = None

    @rule(reader=consumes(readers))
    def leave(self, reader):
        if reader.task is not None:
            reader.task.cancel()
        self._turn()
        reader.stream.close()
        self.listening.remove(reader)
        self._turn()

    @rule()
    def read_all(self):
        """Whoever has something to read reads it, all but the last who came."""
        for reader in self.listening[:-1]:
            while reader.task is None and reader.place < len(reader.model.log):
                self.read(reader)

    # --- the topic ---

    @precondition(lambda self: len(self.model.log) > 5 * LIMIT)  # else there would be nothing but deletions
    @rule()
    def delete_and_make_again(self):
        self._look()
        self.model.deleted = True
        self.loop.run_until_complete(self.bus.remove("t"))
        self._turn()
        assert all(writer.task is None or writer.task.done() for writer in self.everybody if writer.topic is self.topic)
        self._make()

    @invariant()
    def nobody_failed_but_for_deletion(self):
        for writer in self.everybody:
            if writer.task is not None and writer.task.done() and not writer.task.cancelled():
                error = writer.task.exception()
                assert error is None or (isinstance(error, ChannelClosedError) and writer.topic is not self.topic)
        for reader in self.listening:
            assert reader.task is None or not reader.task.done()

    @invariant()
    def what_is_handed_on_is_whole_and_in_order(self):
        lines = self.model.log.splitlines(keepends=True)
        for writer in self.everybody:
            if writer.topic is self.topic:
                mine = [line for line in lines if line.startswith(b"%d:" % writer.number)]
                assert mine == writer.lines[: len(mine)]
                if writer.task is not None and writer.task.done() and not writer.task.cancelled() and not writer.unsent:
                    assert len(mine) == len(writer.lines)

    @invariant()
    def nobody_waits_without_need(self):
        for reader in self.listening:
            if reader.task is not None:
                assert reader.place == len(reader.model.log)
                assert not reader.model.deleted
        if self.topic.figures().held * 2 <= LIMIT:  # room is given in halves, not byte by byte
            assert all(w.task is None or w.task.done() for w in self.everybody if w.topic is self.topic)

    @invariant()
    def memory_is_bounded(self):
        size = self.topic.figures().held
        assert size < LIMIT + 5 * (LONGEST + 20)
        places = [reader.place for reader in self.listening if reader.model is self.model]
        assert size == len(self.model.log) - min(places, default=self.model.taken)


class LocalMachine(TopicMachine):
    def make_bus(self):
        return LocalTopics(lambda name, content_type: LocalTopic(name, content_type, Channel(limit=LIMIT)))


class SqliteMachine(TopicMachine):
    def make_bus(self):
        return SqliteTopics(limit=LIMIT)


TestLocalTopics, TestSqliteTopics = LocalMachine.TestCase, SqliteMachine.TestCase
TestLocalTopics.settings = settings(
    max_examples=150, stateful_step_count=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestSqliteTopics.settings = settings(TestLocalTopics.settings, max_examples=50)
