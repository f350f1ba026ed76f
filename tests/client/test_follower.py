"""Following logs and topics over lost connections: nothing is hidden, nothing goes on for ever."""

import asyncio
import logging
import re

import pytest
from aiohttp import web
from faulty import serving

from transform_hub import errors
from transform_hub.client import Gap, HostClient
from transform_hub.client.follower import Follower
from transform_hub.hub.server import serve
from transform_hub.models import LogEntry
from until import until

INFO = {"id": "x", "sequence": {"id": "s", "config": {}}, "status": "running"}
ENDED = {**INFO, "status": "completed", "terminated": {"exitcode": 0, "reason": "done"}}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr("transform_hub.client.follower.FIRST_PAUSE", 0.001)
    monkeypatch.setattr("transform_hub.client.follower.LONGEST_PAUSE", 0.01)


class Part:
    """What one connection gives: chunks, then a loss, a proper end, silence or another status."""

    def __init__(self, *chunks, then="loss", status=200):
        self.chunks, self.then, self.status = chunks, then, status

    async def __call__(self, request):
        if self.then == "refuse":
            request.transport.abort()
            return web.Response()
        if self.status != 200:
            return web.json_response({"error": "no"}, status=self.status)
        response = web.StreamResponse()
        await response.prepare(request)
        for chunk in self.chunks:
            await response.write(chunk)
            await asyncio.sleep(0.002)  # so that each arrives on its own
        if self.then == "silence":
            await asyncio.Event().wait()
        if self.then == "loss":
            request.transport.abort()
        return response


def parts(*all_parts):
    """A handler that gives one part after the other, the last one again and again."""
    waiting = list(all_parts)

    async def handle(request):
        part = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        return await part(request)

    return handle


SILENCE = Part(then="silence")


async def collected(items, count):
    return [await anext(items) for _ in range(count)]


async def test_a_gap_stands_where_the_connection_was_lost():
    log = parts(Part(b"one\ntwo\n"), Part(b"three\n", then="silence"))
    async with (
        serving(("GET", "/log", log)) as server,
        HostClient(server.url) as host,
        host.get_log(follow=True) as follower,
    ):
        lines = await collected(follower.lines(), 4)
    assert [lines[0], lines[1], lines[3]] == ["one", "two", "three"]
    gap = lines[2]
    assert isinstance(gap, Gap)
    assert isinstance(gap.cause, errors.StreamError)
    assert gap.tries == 1
    assert gap.seconds > 0
    assert gap.partial == b""
    assert re.match(r"\[gap of \d+\.\d s: The stream broke off", str(gap))


async def test_each_way_of_reading_has_the_gap():
    def log():
        return parts(Part(b'{"a": 1}\n'), Part(b'{"a": 2}\n', then="silence"))

    for way, values in {
        "__aiter__": [b'{"a": 1}\n', b'{"a": 2}\n'],
        "text": ['{"a": 1}\n', '{"a": 2}\n'],
        "lines": ['{"a": 1}', '{"a": 2}'],
        "json": [{"a": 1}, {"a": 2}],
    }.items():
        async with serving(("GET", "/log", log())) as server, HostClient(server.url) as host:
            items = await collected(getattr(host.get_log(follow=True), way)(), 3)
        assert isinstance(items[1], Gap), way
        assert [items[0], items[2]] == values


async def test_a_line_or_character_that_was_cut_is_told_of_and_not_joined_with_what_follows():
    def log(cut, rest):
        return parts(Part(b"whole\n", cut), Part(rest, then="silence"))

    async with serving(("GET", "/log", log(b"cut o", b"ff\n"))) as server, HostClient(server.url) as host:
        whole, gap, rest = await collected(host.get_log(follow=True).lines(), 3)
    assert (whole, gap.partial, rest) == ("whole", b"cut o", "ff")
    assert "a line was cut off after 5 bytes" in str(gap)
    cut = parts(Part(b'[1]\n{"a":'), Part(b"[2]\n", then="silence"))
    async with serving(("GET", "/log", cut)) as server, HostClient(server.url) as host:
        one, gap, two = await collected(host.get_log(follow=True).json(), 3)
    assert (one, gap.partial, two) == ([1], b'{"a":', [2])
    euro = "€".encode()
    async with serving(("GET", "/log", log(euro[:2], b"x"))) as server, HostClient(server.url) as host:
        pieces = await collected(host.get_log(follow=True).text(), 3)
    assert (pieces[0], pieces[2]) == ("whole\n", "x")


async def test_it_tries_until_the_hub_is_back():
    log = parts(
        Part(b"1\n"),
        Part(status=503),
        Part(then="refuse"),
        Part(status=502),
        Part(status=500),
        Part(b"2\n", then="silence"),
    )
    async with serving(("GET", "/log", log)) as server, HostClient(server.url) as host:
        one, gap, two = await collected(host.get_log(follow=True).lines(), 3)
    assert (one, two) == ("1", "2")
    assert gap.tries >= 2  # each of them tries a few times itself


async def test_silence_is_a_loss_if_it_is_said_so():
    log = parts(Part(b"1\n", then="silence"), Part(b"2\n", then="silence"))
    async with serving(("GET", "/log", log)) as server, HostClient(server.url) as host:
        one, gap, two = await collected(host.get_log(follow=True, idle_timeout=0.1).lines(), 3)
    assert (one, two) == ("1", "2")
    assert isinstance(gap.cause, errors.StreamTimeoutError)


@pytest.mark.parametrize(("status", "error"), [(401, errors.AuthenticationError), (404, errors.NotFoundError)])
async def test_what_will_not_pass_is_raised(status, error):
    log = parts(Part(b"1\n"), Part(status=status))
    async with serving(("GET", "/log", log)) as server, HostClient(server.url) as host:
        lines = host.get_log(follow=True).lines()
        assert await anext(lines) == "1"
        with pytest.raises(error):
            await anext(lines)


@pytest.mark.parametrize("status", [401, 404, 500])
async def test_it_does_not_begin_with_an_error(status):
    async with serving(("GET", "/log", parts(Part(status=status)))) as server, HostClient(server.url) as host:
        with pytest.raises(errors.error_class(status)):
            await host.get_log(follow=True)


async def test_the_hubs_log_goes_on_after_a_proper_end():
    log = parts(Part(b"1\n", then="end"), Part(b"2\n", then="silence"))
    async with serving(("GET", "/log", log)) as server, HostClient(server.url) as host:
        one, gap, two = await collected(host.get_log(follow=True).lines(), 3)
    assert (one, two) == ("1", "2")
    assert "The Hub ended the stream" in str(gap)


async def test_an_instances_log_ends_with_the_instance():
    now = INFO

    async def info(request):
        return web.json_response(now)

    log = parts(Part(b"1\n", then="end"), Part(b"2\n", then="end"), Part(b"", then="silence"))
    async with (
        serving(("GET", "/instance/x/log", log), ("GET", "/instance/x", info)) as server,
        HostClient(server.url) as host,
    ):
        lines = host.instance("x").get_log(follow=True).lines()
        one, gap, two = await collected(lines, 3)
        assert (one, type(gap), two) == ("1", Gap, "2")
        now = ENDED
        assert [line async for line in lines] == []


async def test_an_instances_log_that_breaks_off_with_the_instance():
    log = parts(Part(b"1\n"), Part(b"the rest\n", then="end"))
    async with (
        serving(("GET", "/instance/x/log", log), ("GET", "/instance/x", ENDED)) as server,
        HostClient(server.url) as host,
    ):
        lines = host.instance("x").get_log(follow=True).lines()
        one, gap, rest = [line async for line in lines]
        assert (one, type(gap), rest) == ("1", Gap, "the rest")


async def test_a_topic_ends_when_it_is_deleted():
    topics = [{"contentType": "text/plain", "topicName": "t", "topic": "t"}]

    async def listed(request):
        return web.json_response(topics)

    data = parts(Part(b"1\n", then="end"), Part(b"2\n", then="end"), Part(b"", then="silence"))
    async with (
        serving(("GET", "/topic/t", data), ("GET", "/topics", listed)) as server,
        HostClient(server.url) as host,
    ):
        lines = host.topic("t", "text/plain").get(follow=True).lines()
        one, gap, two = await collected(lines, 3)
        assert (one, type(gap), two) == ("1", Gap, "2")
        topics.clear()
        assert [line async for line in lines] == []
    assert [request.headers["Content-Type"] for request in server.of("/topic/t")] == ["text/plain"] * 2


async def test_pauses_grow_as_long_as_nothing_comes(monkeypatch):
    monkeypatch.setattr("transform_hub.client.follower.FIRST_PAUSE", 1.0)
    monkeypatch.setattr("transform_hub.client.follower.LONGEST_PAUSE", 4.0)
    pauses = []

    def no_pause(least, most):
        pauses.append((least, most))
        return 0

    log = parts(Part(b"1\n"), Part(), Part(), Part(), Part(b"2\n"), Part(b"3\n", then="silence"))
    async with serving(("GET", "/log", log)) as server, HostClient(server.url) as host:
        lines = host.get_log(follow=True).lines()
        assert await anext(lines) == "1"
        monkeypatch.setattr("transform_hub.client.follower.random.uniform", no_pause)
        found = await collected(lines, 7)
    assert [item for item in found if isinstance(item, str)] == ["2", "3"]
    assert pauses == [(most / 2, most) for most in (1, 2, 4, 4, 1)]


async def test_closing_while_it_waits_for_the_hub(monkeypatch):
    monkeypatch.setattr("transform_hub.client.follower.FIRST_PAUSE", 3600.0)
    async with serving(("GET", "/log", parts(Part(b"1\n"), SILENCE))) as server, HostClient(server.url) as host:
        follower = host.get_log(follow=True)
        lines = follower.lines()
        assert await anext(lines) == "1"
        waiting = asyncio.ensure_future(anext(lines))
        await until(lambda: "closed" in repr(follower))  # the lost reader
        await follower.close()
        with pytest.raises(errors.StreamError, match="closed here"):
            await waiting
    assert len(server.requests) == 1


async def test_leaving_closes_the_connection_in_use():
    log = parts(Part(b"1\n"), Part(b"2\n", then="silence"))
    async with serving(("GET", "/log", log)) as server, HostClient(server.url) as host:
        async for line in host.get_log(follow=True).lines():
            if line == "2":
                break
        last = server.of("/log")[-1]
        await until(lambda: last.transport is None or last.transport.is_closing())


async def test_cancelling_while_it_waits(monkeypatch):
    monkeypatch.setattr("transform_hub.client.follower.FIRST_PAUSE", 3600.0)

    async def follow(host, seen):
        async for line in host.get_log(follow=True).lines():
            seen.append(line)

    async with serving(("GET", "/log", parts(Part(b"1\n"), SILENCE))) as server, HostClient(server.url) as host:
        seen = []
        following = asyncio.ensure_future(follow(host, seen))
        await until(lambda: seen)
        following.cancel()
        with pytest.raises(asyncio.CancelledError):
            await following


async def test_a_hub_that_is_restarted(tmp_path, unused_port):
    """The log of a real Hub, over a restart of it on the same port."""
    async with serve(port=unused_port, data_dir=tmp_path) as hub:
        host = HostClient(hub.url)
        entries = host.get_log(follow=True).json(LogEntry)
        assert isinstance(await anext(entries), LogEntry)
    async with serve(port=unused_port, data_dir=tmp_path):
        async for entry in entries:
            if isinstance(entry, Gap):
                break
        assert isinstance(await anext(entries), LogEntry)
    await entries.aclose()
    await host.close()


@pytest.fixture
def unused_port(nobody):
    return int(nobody.rpartition(":")[2].partition("/")[0])


async def test_what_users_are_told(caplog):
    log = parts(Part(b"1\n"), Part(b"2\n", then="silence"))
    async with serving(("GET", "/log", log)) as server, HostClient(server.url, token="s3cret") as host:
        follower = host.get_log(follow=True)
        assert isinstance(follower, Follower)
        await collected(follower.lines(), 3)
        assert "Stream lost, reconnecting" in caplog.text
        assert "/log" in repr(follower)
    assert "s3cret" not in caplog.text


def entry(ts, msg):
    return b'{"ts":%d,"level":"INFO","msg":"%s"}\n' % (ts, msg.encode())


@pytest.mark.parametrize("manager", [b"", b"sth-0: "])
@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_a_log_that_begins_anew_repeats_nothing(size, manager):
    lines = [manager + entry(5, "a"), manager + entry(7, "b"), manager + entry(6, "late"), manager + entry(9, "new")]
    again = b"".join(lines)
    pieces = [again[start : start + size] for start in range(0, len(again), size)]
    log = parts(Part(*lines[:3]), Part(*pieces, then="silence"))
    async with serving(("GET", "/log", log)) as server, HostClient(server.url) as host:
        seen = await collected(host.get_log(follow=True).lines(keepends=True), 4)
    assert [line.encode() for line in seen] == lines


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_a_log_that_was_lost_within_a_line(size):
    one, two = entry(5, "one"), entry(6, "two")
    again = [(one + two)[start : start + size] for start in range(0, len(one + two), size)]
    log = parts(Part(one, two[:9]), Part(one, then="loss"), Part(*again, then="silence"))
    async with serving(("GET", "/log", log)) as server, HostClient(server.url) as host:
        first, second = await collected(host.get_log(follow=True).json(LogEntry), 2)
    assert (first.msg, second.msg) == ("one", "two")


async def test_a_log_that_goes_on_with_another_line_than_the_one_that_was_cut_off():
    one, two, other = entry(5, "one"), entry(6, "two"), entry(5, "other")
    log = parts(Part(one, two[:9]), Part(one, other, then="silence"))
    async with serving(("GET", "/log", log)) as server, HostClient(server.url) as host:
        first, gap, second = await collected(host.get_log(follow=True).json(LogEntry), 3)
    assert (first.msg, gap.partial, second.msg) == ("one", two[:9], "other")


async def test_a_log_that_ends_before_anything_in_it_is_known_to_be_new():
    log = parts(Part(entry(5, "one")), Part(entry(5, "another"), b"unfinished", then="end"))
    async with (
        serving(("GET", "/instance/x/log", log), ("GET", "/instance/x", ENDED)) as server,
        HostClient(server.url) as host,
    ):
        found = [line async for line in host.instance("x").get_log(follow=True).lines(keepends=True)]
    assert [type(line) for line in found] == [str, Gap, str, str]
    assert found[2:] == [entry(5, "another").decode(), "unfinished"]


async def test_a_log_that_does_not_have_the_last_line_any_more():
    kept = [entry(2, "of before"), b"no time\n", entry(8, "new"), entry(4, "late"), b"unfinished"]
    log = parts(Part(entry(1, "lost") + entry(3, "last")), Part(kept[0], then="end"), Part(*kept, then="silence"))
    async with serving(("GET", "/log", log)) as server, HostClient(server.url) as host:
        found = []
        async for item in host.get_log(follow=True):
            found.append(item)
            if item == b"unfinished":
                break
    _, gap, *rest = found
    assert gap.tries == 2
    assert b"".join(rest) == b"".join(kept)


async def test_the_log_of_a_hub_over_a_lost_connection(tmp_path):
    async with serve(port=0, data_dir=tmp_path) as hub, HostClient(hub.url) as host:
        follower = host.get_log(follow=True)
        entries = follower.json(LogEntry)
        begun = [await anext(entries)]
        follower._reader._response.connection.transport.abort()
        logging.getLogger("transform_hub.hub.server").info("something new")
        new = await anext(entries)
        await entries.aclose()
    assert [begun[0].msg.split(" http")[0], new.msg] == ["API on", "something new"]
