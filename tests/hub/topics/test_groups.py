"""Reader groups: each item goes to one member, and to another if that one has not done it."""

import asyncio
import os

import pytest

from transform_hub.hub.channels.memory import LIMIT
from transform_hub.hub.errors import ApiError
from transform_hub.hub.reattach.group_items import GroupItems
from transform_hub.hub.reattach.ring import can_spool
from transform_hub.hub.topics.groups import Item
from transform_hub.hub.topics.local import LocalTopic
from transform_hub.messages import head
from transform_hub.models.rules import BINARY, MESSAGES, NDJSON
from until import until


@pytest.fixture
def topic():
    return LocalTopic("jobs", NDJSON)


async def write(topic, *pieces):
    async with topic.writer() as writer:
        for piece in pieces:
            await writer.write(piece)
        await writer.end()


async def test_each_item_goes_to_one_member_and_every_other_reader_gets_all(topic):
    await write(topic, b"".join(b"%d\n" % number for number in range(100)))
    got = {name: [] for name in "abc"}

    async def work(name):
        with topic.member("billing") as member:
            while item := await member.next():
                got[name].append(int(item.data))
                await asyncio.sleep(0)
                member.done()

    workers = [asyncio.ensure_future(work(name)) for name in got]
    with topic.reader() as reader:
        await until(lambda: sum(map(len, got.values())) == 100, pause=0)
        assert topic.figures().readers == 2
        assert topic.figures().groups == {"billing": 3}
        data = b""
        while len(data) < 290:
            data += await reader.read()
    topic.close()
    await asyncio.gather(*workers)
    assert (
        sorted(number for numbers in got.values() for number in numbers)
        == list(range(100))
        == [int(line) for line in data.splitlines()]
    )
    assert all(numbers == sorted(numbers) and len(numbers) >= 30 for numbers in got.values())
    assert topic.figures().groups == {}


async def test_groups_do_not_share_with_each_other(topic):
    with topic.member("one") as one, topic.member("two") as two:
        await write(topic, b"1\n")
        assert [(await member.next()).data for member in (one, two)] == [b"1\n"] * 2


async def test_a_member_that_is_busy_holds_up_nobody(topic):
    line = b"x" * 1000 + b"\n"
    with topic.member("g") as busy, topic.member("g") as other:
        await write(topic, b"first\n")
        await busy.next()
        for _ in range(3 * LIMIT // len(line)):
            await write(topic, line)
            assert (await other.next()).data == line
            other.done()
        assert topic.figures().held == 0


async def test_a_group_paces_its_writers_as_one_reader(topic):
    with topic.member("g") as member:
        writing = asyncio.ensure_future(write(topic, *[bytes(999) + b"\n"] * 3000))
        await until(lambda: topic.figures().waiting == 1, pause=0)
        for _ in range(3000):
            await member.next()
            member.done()
        await writing


async def test_what_a_member_has_not_done_goes_to_the_next_before_anything_else(topic):
    await write(topic, b"1\n2\n3\n")
    with topic.member("g") as left:
        assert (await left.next()).data == b"1\n"
    with topic.member("g") as member:
        assert [(await member.next()).data for _ in range(3)] == [b"1\n", b"2\n", b"3\n"]


async def test_a_returned_item_wakes_a_member_that_waits(topic):
    with topic.member("g") as waiting:
        with topic.member("g") as leaving:
            await write(topic, b"1\n")
            await leaving.next()
            item = asyncio.ensure_future(waiting.next())
            await asyncio.sleep(0)
            assert not item.done()
        assert (await item).data == b"1\n"


async def test_an_item_that_members_fail_on_is_dropped_and_told(topic, caplog):
    await write(topic, b'{"poison": 1}\n2\n')
    told = []
    for _ in range(3):
        with topic.member("g") as member:
            assert b"poison" in (await member.next()).data
            member.fail(told.append)
    with topic.member("g") as member:
        assert (await member.next()).data == b"2\n"
    assert "The group g of topic jobs drops an item after 3 members have failed on it: 14 bytes at 0" in caplog.text
    assert ["another member" in words for words in told] == [True, True, False]


async def test_a_group_that_comes_back_goes_on_where_it_was(topic, caplog):
    with topic.reader():
        with topic.member("g") as member:
            await write(topic, b"1\n")
            await member.next()
            member.done()
        await write(topic, b"2\n")
        with topic.member("g") as member:
            assert (await member.next()).data == b"2\n"
            member.done()
        assert "went by" not in caplog.text
    with topic.reader() as reader:
        for _ in range(40):
            await write(topic, b"x" * 100_000 + b"\n")
            await reader.read()
    with topic.member("g") as member:
        await member.next()
    assert "The group g of topic jobs had no members" in caplog.text


async def test_without_members_a_group_holds_nobody_and_the_next_reader_gets_what_it_had_not(topic):
    with topic.member("g") as member:
        await write(topic, b"1\n2\n")
        await member.next()
        member.done()
    with topic.reader() as reader:
        assert await reader.read() == b"2\n"


@pytest.mark.parametrize("size", [10, 70_000, 3_000_000])
async def test_items_of_any_length(topic, size):
    items = [b"%d" % number * size + b"\n" for number in range(3)]
    with topic.member("g") as member:
        writing = asyncio.ensure_future(write(topic, *items))
        for item in items:
            assert (await member.next()).data == item
            member.done()
        await writing


async def test_text_without_newlines_does_not_block_the_topic():
    topic = LocalTopic("t", "text/plain")
    with topic.member("g") as member:
        await write(topic, b"x" * (LIMIT + 1))
        assert (await member.next()).data == b"x" * (LIMIT + 1)
        member.done()
        await write(topic, b"begun")
        rest = asyncio.ensure_future(member.next())
        topic.close()
        assert (await rest).data == b"begun"


async def test_deleting_gives_members_what_is_left_and_then_the_end(topic, caplog):
    await write(topic, b"1\n2\n")
    with topic.member("g") as member, topic.member("g") as other:
        await member.next()
        topic.close()
        assert (await other.next()).data == b"2\n"
        other.done()
        assert await other.next() is None
    assert "1 items that were given out and not done are lost" in caplog.text


@pytest.mark.parametrize(
    ("content_type", "group", "why"), [(BINARY, "g", "no items"), (NDJSON, "a b", "Invalid group"), (NDJSON, "", "Inv")]
)
def test_what_can_be_no_group(content_type, group, why):
    with pytest.raises(ApiError, match=why) as refused:
        LocalTopic("t", content_type).member(group)
    assert refused.value.status == 400


async def test_messages_go_whole_to_one_member_each():
    topic = LocalTopic("t", MESSAGES)
    messages = [os.urandom(size) for size in (0, 1, 70_000, 2_000_000, 5)]
    with topic.member("g") as one, topic.member("g") as two:
        writing = asyncio.ensure_future(write(topic, b"".join(head(len(each)) + each for each in messages)))
        got = []
        for member in [one, two] * 3:
            if len(got) < 5:
                got.append((await member.next()).data[4:])
                member.done()
        await writing
    assert got == messages


class Store:
    """A descriptor store that remembers what it is to hold."""

    def __init__(self):
        self.held = {}

    def hold(self, name, descriptors):
        self.held[name] = os.dup(descriptors["group"])

    def release(self, name):
        os.close(self.held.pop(name))


@pytest.mark.skipif(not can_spool(), reason="this system can't keep topics")
def test_what_is_given_out_outlives_the_hub():
    store = Store()
    first = GroupItems(store, "group:1:g")
    assert first.position is None
    first.begin(7)
    items = [Item(7, b"a\n"), Item(9, b"b" * 200_000), Item(200_009, b"c\n")]
    for item in items:
        first.add(item)
    items[2].tries = 2
    first.tried(items[2])
    first.remove(items[1])
    first.add(Item(200_011, b"d" * 300_000))
    first.remove(items[0])
    second = GroupItems(store, "group:1:g", os.dup(store.held["group:1:g"]))
    found = {item.start: (item.data, item.tries) for item in second.items()}
    assert found == {200_009: (b"c\n", 2), 200_011: (b"d" * 300_000, 0)}
    assert second.position == 500_011
    second.add(Item(500_011, b"e\n"))
    third = GroupItems(store, "group:1:g", os.dup(store.held["group:1:g"]))
    assert sorted(item.start for item in third.items()) == [200_009, 200_011, 500_011]
    third.close()
    assert store.held == {}
