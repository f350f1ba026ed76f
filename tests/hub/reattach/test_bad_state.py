"""What a Hub finds in its directory that it has not written so: cut short by a kill, left there, edited by hand."""

import errno
import fcntl
import json
import os
from pathlib import Path

import aiohttp
import pytest

from transform_hub.errors import HubStartError
from transform_hub.hub.instances.observers import InstanceObserver
from transform_hub.hub.reattach.fdstore import FdStoreFiles
from transform_hub.hub.sequences import files
from transform_hub.hub.server import serve

NOT_UTF8 = b'{"id": "\xff", "packageSize": "\xff", "name": "\xff"}'


def as_directory(path):
    (path / "sub").mkdir(parents=True)


def as_file(content):
    def make(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return make


@pytest.mark.parametrize("what", [as_directory, as_file(b""), as_file(NOT_UTF8), as_file(b'{"id"')])
@pytest.mark.parametrize(
    "name",
    [
        ".hub/instances/a.json", ".hub/instances/a", ".hub/fdstores/a", ".hub/history.ndjson", ".hub/history.new",
        ".meta/a.json", ".meta/a", ".incoming/a", ".replacing/a", "a/package.json",
    ],
)  # fmt: skip
async def test_the_hub_starts_whatever_is_there(tmp_path, api_of, package, name, what):
    what(tmp_path / "sequences" / name)
    async with serve(data_dir=tmp_path, reattach=True) as hub, aiohttp.ClientSession() as session:
        api = api_of(hub, session)
        assert (await api.get(f"/sequence/{await api.send(package())}")).status == 200
        assert (await api.get("/history")).json == []


async def test_an_end_waits_for_no_disk(tmp_path, api_of, package):
    """What is to be removed can't be: directories are in the place of all files of the Hub's state."""
    async with serve(data_dir=tmp_path, reattach=True) as hub, aiohttp.ClientSession() as session:
        api = api_of(hub, session)
        sequence = await api.send(package("def run(context, input): return input"))
        killed, forced = [await api.start(sequence) for _ in range(2)]
        state = tmp_path / "sequences" / ".hub"
        left = [*(state / "instances").iterdir(), *(state / "fdstore").iterdir()]
        assert len(left) == 3
        for file in left:
            file.unlink()
            as_directory(file)
        await api.post(f"{killed}/_kill", {})
        assert (await api.ended(killed))["terminated"]["exitcode"] == 137
        answer = await api.call("DELETE", f"/sequence/{sequence}", x_seq_kill_inst="true")
        assert answer.status == 200
        await api.answers(forced, 404)


async def test_an_instance_runs_without_descriptors_to_survive_with(tmp_path, api_of, package, monkeypatch, caplog):
    async with serve(data_dir=tmp_path, reattach=True) as hub, aiohttp.ClientSession() as session:
        api, made = api_of(hub, session), []
        sequence = await api.send(package("def run(context, input): return input"))

        def dup(descriptor):
            if len(made) == 2:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            made.append(fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 900))  # a number that nobody else gets
            return made[-1]

        with monkeypatch.context() as patch:
            patch.setattr(os, "dup", dup)
            instance = await api.start(sequence)
        assert "would not survive the Hub: [Errno 24] Too many open files" in caplog.text
        for descriptor in made:
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(descriptor)
        await api.input(instance, b"here")
        assert await api.read(f"{instance}/output") == b"here"
        assert len(made) == 2


async def test_an_observer_that_fails_holds_up_no_end(tmp_path, api_of, package, caplog):
    class Failing(InstanceObserver):
        def changed(self, instance):
            raise RuntimeError("changed")

        ended = gone = changed

    async with serve(data_dir=tmp_path) as hub, aiohttp.ClientSession() as session:
        hub.instances.observers.insert(0, Failing())
        api = api_of(hub, session)
        sequence = await api.send(package("def run(context, input): return 'x'"))
        assert (await api.ended(await api.start(sequence)))["terminated"]["exitcode"] == 0
        assert [each["terminated"]["exitcode"] for each in (await api.get("/history")).json] == [0]
    assert "Failing failed" in caplog.text


TOLD = {
    errno.ENOSPC: (507, "The Hub's disk is full"),
    errno.EROFS: (503, "The Hub can't do this now: Read-only file system"),
    errno.EMFILE: (503, "The Hub can't do this now: Too many open files"),
    errno.EIO: (500, "The Hub failed; its log says why"),
}


@pytest.mark.parametrize("number", TOLD)
async def test_a_disk_that_fails_an_upload_is_told(tmp_path, api_of, package, monkeypatch, number):
    async with serve(data_dir=tmp_path) as hub, aiohttp.ClientSession() as session:
        api, archive = api_of(hub, session), package()

        def fails(*arguments, **options):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(files, "unpack", fails)
        answer = await api.call("POST", "/sequence", archive)
        assert (answer.status, answer.json["error"]) == TOLD[number]


@pytest.mark.parametrize("when", ["soon", "2026-01-01T00:00:00.000", "2026-01-01T00:00:00.000Z"])
async def test_a_record_that_says_no_time_or_of_no_sequence_is_lost(tmp_path, when):
    record = {
        "id": "a", "secret": "s", "sequenceId": "b", "request": {}, "status": "initializing",
        "created": when, "nextRestart": when,
    }  # fmt: skip
    as_file(json.dumps(record).encode())(tmp_path / "sequences" / ".hub" / "instances" / "a.json")
    async with serve(data_dir=tmp_path, reattach=True) as hub:
        assert not hub.instances
    assert not [*(tmp_path / "sequences" / ".hub" / "instances").iterdir()]


async def test_the_size_of_a_sequence_may_be_unknown(tmp_path, api_of, package):
    async with serve(data_dir=tmp_path) as hub, aiohttp.ClientSession() as session:
        sequence = await api_of(hub, session).send(package())
    (tmp_path / "sequences" / ".meta" / f"{sequence}.json").write_bytes(NOT_UTF8)
    async with serve(data_dir=tmp_path) as hub:
        assert [each.id for each in hub.sequences] == [sequence]


async def test_a_place_for_records_that_is_none_is_told(tmp_path):
    as_file(b"")(tmp_path / "sequences" / ".hub" / "instances")
    with pytest.raises(HubStartError, match="instances can't be a directory for records: File exists"):
        async with serve(data_dir=tmp_path, reattach=True):
            pass


async def test_a_path_cut_short_leads_to_nobody_elses_directory(tmp_path):
    """The directory of a socket is removed when no store is there; it has to be one that a Hub has made."""
    folder = tmp_path / "fdstores"
    places = FdStoreFiles(folder, 1)
    place = places.make()
    [file] = folder.iterdir()
    for length in range(len(place)):
        file.write_text(place[:length])
        assert list(FdStoreFiles(folder, 1).find()) == []
    file.write_text(place)
    file.rename(folder / "other")
    assert list(FdStoreFiles(folder, 1).find()) == []
    (folder / "other").rename(file)
    assert list(FdStoreFiles(folder, 1).find()) == [place]
    places.forget(place)
    assert not Path(place).parent.exists()
