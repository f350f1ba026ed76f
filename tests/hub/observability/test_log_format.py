"""The log: its two forms, and the ids of requests in it."""

import asyncio
import json
import logging
import sys

import pytest

from transform_hub.hub.observability.log_format import JSONFormatter, TextFormatter
from transform_hub.hub.observability.requests import MAX_ID, Requests, current_request, id_of
from until import until

NASTY = "a\nb\r\x1b[2J\x00\x85\u2028\udcffz"


def record(message, *, level=logging.WARNING, trouble=None, **about):
    made = logging.LogRecord("transform_hub.hub.server", level, __file__, 1, message, (), trouble)
    made.__dict__.update(about)
    return made


def trouble():
    try:
        int(f"{NASTY}\n2026-01-01 00:00:00.000 INFO  server: forged")
    except ValueError:
        return sys.exc_info()


def test_json_has_what_is_known():
    entry = json.loads(JSONFormatter().format(record("told", request_id="r", instance="i", sequence="s")))
    assert entry.pop("ts").endswith("Z")
    assert entry == {
        "level": "WARN", "from": "server", "logger": "transform_hub.hub.server", "msg": "told",
        "requestId": "r", "instance": "i", "sequence": "s",
    }  # fmt: skip


def test_times_are_utc_in_ms_in_json():
    made = record("told")
    made.created = 1_700_000_000.25
    assert json.loads(JSONFormatter().format(made))["ts"] == "2023-11-14T22:13:20.250Z"


@pytest.mark.parametrize(
    ("level", "word"),
    [(50, "FATAL"), (40, "ERROR"), (30, "WARN"), (20, "INFO"), (10, "DEBUG"), (1, "TRACE")],
)
def test_levels_are_those_of_sth(level, word):
    assert json.loads(JSONFormatter().format(record("told", level=level)))["level"] == word
    assert f" {word:5} server: told" in TextFormatter().format(record("told", level=level))


def test_a_library_is_named_in_full():
    made = record("told")
    made.name = "aiohttp.server"
    assert " aiohttp.server: told" in TextFormatter().format(made)


def test_nothing_forges_a_line_of_text():
    line = TextFormatter().format(record(NASTY, request_id=NASTY))
    assert line.isprintable()
    assert r"a\nb\r\x1b[2J\x00\x85\u2028\udcffz" in line


def test_nothing_forges_a_line_of_json():
    line = JSONFormatter().format(record(NASTY, request_id=NASTY, trouble=trouble()))
    assert line.isascii()
    assert line.isprintable()
    entry = json.loads(line)
    assert entry["msg"] == entry["requestId"] == NASTY.replace("\udcff", r"\udcff")
    assert "ValueError" in entry["exception"]


def test_an_exception_is_indented_below():
    first, *rest = TextFormatter().format(record("told", trouble=trouble())).split("\n")
    assert first.endswith("told")
    assert rest
    assert all(line.startswith("    ") and line.isprintable() for line in rest)
    assert any("forged" in line for line in rest)


def test_ids_are_bounded_and_printable():
    assert id_of("abc") == "abc"
    assert id_of("a\x1b\udcffb\n") == "ab"
    assert id_of("x" * 1000) == "x" * MAX_ID
    assert len(id_of("")) == len(id_of(" \x00")) == 36


async def test_what_a_request_has_started_is_of_it_only_until_its_end():
    seen, over = [], asyncio.Event()

    async def background():
        seen.append(current_request().id)
        await over.wait()
        seen.append(current_request())

    async def request():
        with Requests().counted("one", "r-1"):
            task = asyncio.ensure_future(background())
            await until(lambda: seen)
        assert current_request().id == "r-1"  # aiohttp may still have something to say
        return task

    task = await asyncio.ensure_future(request())
    over.set()
    await task
    assert seen == ["r-1", None]
    assert current_request() is None


async def test_ids_come_back_in_every_answer_and_are_made_if_there_is_none(api):
    for path in ("/version", "/nothing", "/sequence/none"):
        assert (await api.get(path, x_request_id="r-1")).headers["x-request-id"] == "r-1"
        assert len((await api.get(path)).headers["x-request-id"]) == 36


async def test_the_log_of_the_hub_has_the_id_of_the_request(api, hub, package):
    archive = package("def run(context, input): return 'x'")
    sent = await api.post("/sequence", archive, content_type="application/octet-stream", x_request_id="r-1")
    async with api.session.get(hub.url + "/log") as response:
        async for line in response.content:
            entry = json.loads(line)
            if "was sent" in entry["msg"]:
                break
    assert sent.json["id"] in entry["msg"]
    assert (entry["requestId"], entry["from"], entry["level"]) == ("r-1", "sequences", "INFO")


async def test_bytes_that_are_no_text_are_logged(api, hub):
    hub.log.handle(record("bad \udcff"))  # not through the root logger: what pytest captures there has to be UTF-8
    async with api.session.get(hub.url + "/log") as response:
        async for line in response.content:
            if b"bad" in line:
                break
    assert json.loads(line)["msg"] == r"bad \udcff"
