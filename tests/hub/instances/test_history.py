"""The history: what has ended, over restarts and kills of the Hub, and never more of it than is wanted."""

import contextlib
import json
import urllib.request

import aiohttp
import pytest

from sth_process import Sth
from transform_hub.client import HostClient
from transform_hub.hub.instances.history import HUB_KILLED, History
from transform_hub.hub.server import serve
from transform_hub.models import HistoryEntry, PastSequence, Terminated

ECHO = "def run(context, input): return input"


def entry(number, status="completed"):
    return HistoryEntry(
        id=f"{number:036}", sequence=PastSequence(id="s", name="n"), created="2026-01-01T00:00:00.000Z", status=status
    )


@pytest.fixture
def opened():
    """Opens a history as a Hub does that begins: that of the Hub before is not closed, as after ``kill -9``."""
    with contextlib.ExitStack() as stack:

        def opened(path, limit=10, going_on=()):
            history = History(path, limit)
            stack.callback(history.close)
            history.open()
            history.close_lost(going_on)
            return history

        yield opened


def ids(history):
    return [int(each.id) for each in history.entries()]


async def test_what_has_ended_is_told_the_latest_first(api, package):
    paths = [
        await api.start(await api.send(package(source, name=name))) for source, name in ((ECHO, "a"), ("1/0", "b"))
    ]
    await api.input(paths[0], b"")
    await api.ended(paths[0])
    first, second = (await api.get("/history")).json
    assert first["id"] == paths[0].rpartition("/")[2]
    assert (first["sequence"]["name"], first["status"], first["terminated"]["exitcode"]) == ("a", "completed", 0)
    assert first["created"] <= first["started"] <= first["ended"]
    assert (second["terminated"]["exitcode"], second["error"]) == (22, "ZeroDivisionError: division by zero")
    assert (await api.get("/history?limit=1&offset=1")).json == [second]
    assert (await api.get("/history?sequence=b")).json == [second]
    assert (await api.get(f"/history?sequence={first['sequence']['id']}")).json == [first]
    assert (await api.get("/history?sequence=nobody")).json == []


async def test_what_runs_and_what_was_refused_is_not_in_it(hub, api, package):
    sequence = await api.send(package(ECHO))
    await api.start(sequence)

    async def launch(spec, on_exit):
        raise OSError(2, "No such file or directory")

    hub.runtime.launch = launch
    assert (await api.post(f"/sequence/{sequence}/start", {})).status == 500
    assert (await api.get("/history")).json == []


@pytest.mark.parametrize("query", ["limit=-1", "limit=x", "offset=1.5", "limit=", "limit=٣", "offset=9999999999"])
async def test_a_part_that_is_none_is_refused(query, api):
    answer = await api.get(f"/history?{query}")
    assert answer.status == 400
    assert "a number from 0 on" in answer.json["error"]


async def test_it_is_kept_over_a_restart_of_the_hub(tmp_path, package, api_of):
    async with serve(data_dir=tmp_path) as hub, aiohttp.ClientSession() as session:
        api = api_of(hub, session)
        failed = await api.start(await api.send(package("1 / 0")), restart={"policy": "on-failure", "maxRetries": 2})
        await api.ended(failed)
        running = await api.start(await api.send(package(ECHO)))
        [before] = (await api.get("/history")).json
        assert before["restarts"] == 2
    async with serve(data_dir=tmp_path) as hub, HostClient(hub.url) as host:
        ended, kept = await host.list_history()
        assert kept.ended == before["ended"]
        assert ended.id == running.rpartition("/")[2]
        assert ended.terminated == Terminated(exitcode=137, reason="Instance killed")
        assert await host.list_history(sequence=kept.sequence.id, limit=1) == [kept]
        assert await host.list_instances() == []


def test_what_a_killed_hub_was_running_is_told_as_such(tmp_path, package):
    def call(url, path, data=None, content_type="application/json"):
        request = urllib.request.Request(f"{url}{path}", data, {"content-type": content_type})
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read())

    options = ("-P", 0, "-D", tmp_path / "sequences", "--no-reattach")
    sth = Sth(*options).run()
    sequence = call(sth.url, "/sequence", package(ECHO), "application/octet-stream")["id"]
    instance = call(sth.url, f"/sequence/{sequence}/start", b"{}")["id"]
    sth.kill()
    sth = Sth(*options).run()
    [told] = sth.get("/history")
    sth.end()
    assert (told["id"], told["status"], told["error"]) == (instance, "errored", HUB_KILLED)
    assert (told["ended"], told["terminated"]) == (None, None)


def test_who_goes_on_has_not_ended(opened, tmp_path):
    path = tmp_path / "history"
    first = opened(path)
    for number in (1, 2):
        first._add(entry(number, "running"))
    second = opened(path, going_on={entry(2).id})
    assert ids(second) == [1]
    second._add(entry(2))
    assert ids(opened(path)) == [2, 1]


def test_it_is_bounded_in_memory_and_on_the_disk(opened, tmp_path):
    path = tmp_path / "history"
    history = opened(path, limit=5)
    for number in range(1000):
        history._add(entry(number, "running"))
        history._add(entry(number))
        assert len(path.read_bytes().splitlines()) <= 12
    assert ids(history) == [999, 998, 997, 996, 995]
    assert ids(opened(path, limit=3)) == [999, 998, 997]


def test_a_line_that_is_cut_short_takes_no_other_with_it(opened, tmp_path, caplog):
    path = tmp_path / "history"
    history = opened(path)
    history._add(entry(1))
    history.close()
    with path.open("ab") as file:
        file.write(b'{"id": "half')
    again = opened(path)
    assert "not readable" in caplog.text
    again._add(entry(2))
    assert ids(opened(path)) == [2, 1]


def test_without_a_place_to_write_it_is_kept_in_memory(opened, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    history = opened(tmp_path / "file" / "history")
    history._add(entry(1))
    assert ids(history) == [1]
    assert "not kept over a restart" in caplog.text


def test_a_limit_of_nothing_leaves_no_file(opened, tmp_path):
    history = opened(tmp_path / "history", limit=0)
    history._add(entry(1))
    assert ids(history) == []
    assert not (tmp_path / "history").exists()
