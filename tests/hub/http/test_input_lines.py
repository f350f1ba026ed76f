"""Several senders of one input: lines stay whole, and what one leaves unfinished does not stick to the next one's."""

import asyncio
import contextlib
import json

import aiohttp
import pytest

from transform_hub.hub.link import input_lines
from transform_hub.hub.reattach.ring import can_spool
from transform_hub.hub.server import serve
from until import until

NDJSON = "application/x-ndjson"
BINARY = "application/octet-stream"
POSITION = "x-stream-position"
ECHO = """
async def run(context, input):
    async for item in input:
        yield item
"""


@pytest.fixture(params=[False, True], ids=["plain", "reattach"])
async def hub(request, tmp_path):
    if request.param and not can_spool():
        pytest.skip("this system can't keep positions")
    async with serve(data_dir=tmp_path / "hub", reattach=request.param, retention_ms=60_000) as running:
        yield running


@pytest.fixture
async def echo(api, package):
    return await api.start(await api.send(package(ECHO)))


class Sender:
    """A request to an input that goes on until it is told to end, or to break off."""

    def __init__(self, api, instance, content_type, **headers):
        self.pieces = asyncio.Queue()
        # Without Expect aiohttp sends no head before the first piece.
        headers = {"x_end_stream": "false", "expect": "100-continue", **headers}
        sending = api.input(instance, self.body(), content_type, **headers)
        self.request = asyncio.ensure_future(sending)

    async def body(self):
        while (piece := await self.pieces.get()) is not None:
            yield piece

    def send(self, piece):
        self.pieces.put_nowait(piece)

    async def end(self):
        self.pieces.put_nowait(None)
        return await self.request

    async def break_off(self):
        self.request.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.request


@pytest.fixture
def sender(api, echo):
    return lambda content_type="text/plain", **headers: Sender(api, echo, content_type, **headers)


@pytest.fixture
def senders(api, echo):
    """Wait until there are so many."""
    return lambda count: until(lambda: len(api.instance(echo).streams.input.turns._senders) == count)


@pytest.fixture
def reached(api, echo):
    """Wait until so many bytes are with the Sequence."""

    async def reached(position):
        return await api.until(f"{echo}/input", lambda answer: answer["position"] == position)

    return reached


@pytest.fixture
def output(api, echo):
    """End the input with some more; the whole output."""

    async def output(last=b"", content_type="text/plain"):
        await api.input(echo, last, content_type)
        return await api.read(f"{echo}/output")

    return output


@pytest.mark.parametrize("content_type", ["text/plain", "Text/CSV; charset=utf-8", NDJSON, "application/json"])
async def test_lines_of_several_senders_never_mix(content_type, api, echo, output):
    async def lines(name):
        for number in range(200):
            for piece in (b"[", name, b",%d" % number, b"]", b"\n"):
                yield piece
                await asyncio.sleep(0)

    names = (b"1", b"2", b"3")
    await asyncio.gather(*(api.input(echo, lines(name), content_type, x_end_stream="false") for name in names))
    got = [json.loads(line) for line in (await output(content_type=content_type)).splitlines()]
    for name in names:
        assert [number for sender, number in got if sender == int(name)] == [*range(200)]
    assert len(got) == 600


async def test_half_a_line_of_the_only_sender_is_handed_on_at_once(sender, reached, output):
    only = sender()
    only.send(b"who are you? ")
    await reached(13)
    only.send(b"me\n")
    await reached(16)
    await only.end()
    assert await output() == b"who are you? me\n"


async def test_a_line_that_was_begun_alone_is_finished_first(sender, senders, reached, output):
    first = sender()
    first.send(b"one ")
    await reached(4)
    second = sender()
    await senders(2)
    second.send(b"two\n")
    first.send(b"line\nand a ")
    await reached(13)
    second.send(b"three\n")
    await reached(19)
    first.send(b"piece\n")
    await reached(31)
    for each in (first, second):
        assert (await each.end()).status == 202
    assert await output() == b"one line\ntwo\nthree\nand a piece\n"


async def test_who_breaks_off_within_a_line_leaves_it_to_nobody(sender, senders, reached, output):
    first = sender()
    first.send(b"1\n2")
    await reached(3)
    await first.break_off()
    await senders(0)
    second = sender()
    await reached(4)  # with a newline before anything is sent
    second.send(b"3\n")
    assert (await second.end()).headers[POSITION] == "4"
    assert await output() == b"1\n2\n3\n"


@pytest.mark.parametrize("content_type", [NDJSON, "application/x-ndjson; charset=utf-8", "application/json"])
async def test_a_piece_of_json_goes_with_its_sender(content_type, sender, senders, reached, output):
    first = sender(content_type)
    first.send(b"1\n")
    await reached(2)
    first.send(b'{"a": ')
    first.send(b'2}\n{"a"')
    await reached(11)
    await first.break_off()
    await senders(0)
    second = sender(content_type, x_stream_position="11")
    second.send(b"3\n")
    assert (await second.end()).headers[POSITION] == "11"
    assert [json.loads(line) for line in (await output(b"4", content_type)).splitlines()] == [1, {"a": 2}, 3, 4]


async def test_a_document_of_several_lines_is_one_value(sender, reached, output):
    only = sender("application/json")
    only.send(b'{"a":\n')
    await reached(6)
    only.send(b"1}")
    await only.end()
    assert [json.loads(line) for line in (await output(b"2", "application/json")).splitlines()] == [{"a": 1}, 2]


async def test_a_line_of_json_without_end_is_handed_on_in_pieces(monkeypatch, sender, reached, output):
    monkeypatch.setattr(input_lines, "LINE_LIMIT", 10)
    only = sender(NDJSON)
    only.send(b"[1, 2, 3, ")
    await reached(10)
    only.send(b"4]\n")
    await only.end()
    assert json.loads(await output(content_type=NDJSON)) == [1, 2, 3, 4]


async def test_what_was_not_handed_on_is_dropped_with_its_sender(sender, senders, reached, output):
    first = sender()
    await senders(1)
    second = sender()
    await senders(2)
    first.send(b"one\ntw")
    await reached(4)
    await first.break_off()
    await senders(1)
    second.send(b"three")
    await reached(9)
    await second.end()
    assert await output(b"!\n") == b"one\nthree!\n"


async def test_who_waits_for_the_end_of_a_line_goes_on_when_its_sender_breaks_off(sender, senders, reached, output):
    first = sender()
    first.send(b"one")
    await reached(3)
    second = sender()
    await senders(2)
    second.send(b"two\n")
    await first.break_off()
    await reached(8)
    assert (await second.end()).status == 202
    assert await output() == b"one\ntwo\n"


async def test_who_resumes_goes_on_within_the_line(sender, senders, reached, output):
    first = sender()
    first.send(b"on")
    await reached(2)
    second = sender(x_stream_position="2")  # takes the place of the first
    await senders(1)
    second.send(b"e\ntw")
    await reached(6)
    await second.break_off()
    await senders(0)
    third = sender(x_stream_position="6")
    third.send(b"o\n")
    assert (await third.end()).headers[POSITION] == "6"
    await first.break_off()
    assert await output() == b"one\ntwo\n"


@pytest.mark.parametrize(
    ("content_type", "parts", "whole"),
    [
        ("text/plain", [b"on", b"e\ntw", b"o"], b"one\ntwo"),
        (NDJSON, [b"1", b"2\n", b"3"], b"1\n2\n3\n"),
        ("application/json", [b'{"a":1}', b"2", b"3"], b'{"a":1}\n2\n3\n'),
        (BINARY, [b"on", b"e\ntw", b"o"], b"one\ntwo"),
    ],
)
async def test_what_a_whole_request_leaves_unfinished(content_type, parts, whole, api, echo, output):
    for part in parts[:-1]:
        assert (await api.input(echo, part, content_type, x_end_stream="false")).status == 202
    got = await output(parts[-1], content_type)
    assert (got if content_type in ("text/plain", BINARY) else got.replace(b" ", b"")) == whole


async def test_a_line_without_end_is_handed_on_in_pieces(monkeypatch, sender, senders, reached, output):
    monkeypatch.setattr(input_lines, "LINE_LIMIT", 10)
    long, short = sender(), sender()
    await senders(2)
    long.send(b"1234")
    long.send(b"567890")
    await reached(10)
    short.send(b"short\n")
    long.send(b"1\n")
    await reached(18)
    for each in (long, short):
        await each.end()
    assert await output() == b"12345678901\nshort\n"


async def test_who_waits_is_told_when_another_ends_the_input(api, echo, sender, senders, reached):
    first, second = sender(), sender()
    await senders(2)
    first.send(b"one")
    await first.break_off()
    await senders(1)
    second.send(b"two")
    await reached(3)
    third = sender()
    await senders(2)
    third.send(b"three\n")
    second.pieces.put_nowait(b"\n")
    await reached(10)
    assert (await api.input(echo, b"", x_end_stream="true")).status == 200
    assert await api.read(f"{echo}/output") == b"two\nthree\n"
    for each in (second, third):
        each.send(b"more\n")
        with pytest.raises(aiohttp.ClientError):
            await each.end()
