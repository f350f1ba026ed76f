"""Sequences: upload, refusals that change nothing, listing, delete, restart."""

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import tarfile

import aiohttp
import pytest

from transform_hub.errors import HubStartError
from transform_hub.hub.server import serve
from transform_hub.package import Limits
from until import until

OCTETS = "application/octet-stream"
ECHO = "def run(context, input): return input"


def tar(**files):
    """A tar.gz of exactly these files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name.replace("__", "/").replace("_json", ".json").replace("_py", ".py"))
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def escaping():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo("../../escaped")
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))
    return buffer.getvalue()


def zeros():
    """10 GB of zeros in a tar, 10 MB packed."""
    header = tarfile.TarInfo("zeros")
    header.size = 10 << 30
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=1) as file:
        file.write(header.tobuf())
        for _ in range(64):  # what is declared is enough to refuse it
            file.write(bytes(1 << 20))
    return buffer.getvalue()


VALID = tar(package_json=b'{"main":"main.py"}', main_py=b"")
REFUSED = {
    "empty": (b"", 422, "Invalid pkg tar.gz archive"),
    "not gzip": (b"PK\x03\x04 not a tar.gz at all", 422, "Invalid pkg tar.gz archive"),
    "zip": (b"PK\x03\x04" + bytes(5000), 422, "it is a zip archive, not a tar.gz"),
    "plain tar": (gzip.decompress(VALID), 422, "it is a tar that is not compressed, not a tar.gz"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(10), 422, "it is compressed with zstd, not a tar.gz"),
    "one byte": (b"P", 422, "not gzip, or damaged"),
    "half a magic number": (b"\x1f", 422, "it ends too early"),
    "gzip but no tar": (gzip.compress(b"hello"), 422, "Invalid pkg tar.gz archive"),
    "truncated": (VALID[:-20], 422, "Invalid pkg tar.gz archive"),
    "no package.json": (tar(main_py=b""), 422, "package.json"),
    "package.json not JSON": (tar(package_json=b"{"), 422, "JSON"),
    "no main": (tar(package_json=b"{}"), 422, 'at key "main" with error: undefined is not a valid string'),
    "main is missing": (tar(package_json=b'{"main":"nope.py"}'), 422, "entrypoint path nope.py is invalid"),
    "path escape": (escaping(), 422, "escaped"),
    "zero bomb": (zeros(), 413, "bytes"),
}


@pytest.fixture
def files(hub):
    """All that is on the Hub's disk."""

    def listing():
        return sorted(str(path) for path in hub.sequences.root.parent.parent.rglob("*"))

    return listing


async def test_a_package_becomes_a_sequence(api, package):
    answer = await api.post("/sequence", package(ECHO, name="echo", author="me"), content_type=OCTETS)
    assert answer.status == 200
    sequence_id = answer.json["id"]
    sequence = (await api.get(f"/sequence/{sequence_id}")).json
    assert (sequence["id"], sequence["location"], sequence["instances"]) == (sequence_id, "STH", [])
    config = sequence["config"]
    assert config["packageSize"] > 0
    assert (config["name"], config["author"], config["language"]) == ("echo", "me", "py")
    assert (config["type"], config["entrypointPath"]) == ("process", "main.py")
    assert (await api.get("/sequences")).json == [sequence]
    assert (await api.get("/entities")).json["sequences"] == [sequence]
    assert (await api.get(f"/sequence/{sequence_id}/instances")).json == []


@pytest.mark.parametrize("defect", REFUSED)
async def test_a_bad_package_is_refused_and_changes_nothing(defect, api, files):
    body, status, message = REFUSED[defect]
    before = files()
    answer = await api.post("/sequence", body, content_type=OCTETS)
    assert answer.status == status
    assert message in json.dumps(answer.json["error"]).replace('\\"', '"')
    assert "/tmp" not in answer.text  # no paths of the Hub's machine
    assert (await api.get("/sequences")).json == []
    assert files() == before


@pytest.mark.parametrize("step", [1, 100])
async def test_what_a_package_is_instead_is_told_however_it_comes(step, api):
    plain = gzip.decompress(VALID)

    async def pieces():
        for at in range(0, 600, step):
            yield plain[at : at + step]

    answer = await api.post("/sequence", pieces(), content_type=OCTETS)
    assert (answer.status, answer.json["error"]["data"]) == (422, "Invalid pkg tar.gz archive")
    assert "a tar that is not compressed" in answer.json["error"]["message"]


async def test_the_wrong_content_type_is_refused(api, package, files):
    before = files()
    answer = await api.post("/sequence", package(ECHO), content_type="text/plain")
    assert (answer.status, answer.reason) == (415, "Invalid content-type")
    assert files() == before


@pytest.mark.parametrize(
    "headers",
    [
        {"content_type": OCTETS, "content_encoding": "gzip"},  # said of what is gzip anyway
        {"content_type": "Application/Octet-Stream; name=x"},
        {"content_type": OCTETS, "expect": "100-Continue"},
    ],
)
async def test_headers_that_do_not_matter(headers, api, package):
    archive = package(ECHO)
    answer = await api.post("/sequence", archive, **headers)
    assert answer.status == 200
    sequence = (await api.get(f"/sequence/{answer.json['id']}")).json
    assert sequence["config"]["packageSize"] == len(archive)


async def test_a_package_that_is_too_large_is_refused_before_it_is_sent(tmp_path):
    limits = Limits(max_archive_bytes=1000)
    async with serve(data_dir=tmp_path, limits=limits) as hub, aiohttp.ClientSession() as session:
        for data in (bytes(1001), _chunks(b"\x1f\x8b" + bytes(3000))):
            headers = {"content-type": OCTETS}
            async with session.post(hub.url + "/sequence", data=data, headers=headers) as response:
                assert response.status == 413
                assert "1000 bytes" in (await response.json())["error"]


async def _chunks(data):
    for start in range(0, len(data), 500):
        yield data[start : start + 500]


async def test_an_upload_that_breaks_off_leaves_nothing(hub, api, package, files):
    import asyncio

    before = files()
    archive = package(ECHO)
    _, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    head = "POST /api/v1/sequence HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n"
    writer.write(f"{head}Content-Length: {len(archive)}\r\n\r\n".encode() + archive[: len(archive) // 2])
    await writer.drain()
    await until(lambda: list((hub.sequences.root / ".incoming").iterdir()))
    writer.close()
    await until(lambda: files() == before)
    assert (await api.get("/sequences")).json == []


async def test_expect_100_is_answered_only_when_the_body_is_wanted(hub):
    import asyncio

    head = (
        "POST {} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Type: {}\r\nContent-Length: 9\r\n\r\n"
    )
    for path, content_type, line in (
        ("/api/v1/sequence", "application/octet-stream", b"HTTP/1.1 100 Continue\r\n"),
        ("/api/v1/sequence", "text/plain", b"HTTP/1.1 415 Invalid content-type\r\n"),
        ("/api/v1/instance/none/input", "text/plain", b"HTTP/1.1 404 Not Found\r\n"),
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
        writer.write(head.format(path, content_type).encode())
        assert await reader.readline() == line
        writer.close()


async def test_unknown_ids(api):
    for method, path, message in (
        ("GET", "/sequence/nope", "Sequence nope not found"),
        ("GET", "/sequence/nope/instances", "Sequence nope not found"),
        ("DELETE", "/sequence/nope", "The sequence nope does not exist."),
        ("POST", "/sequence/nope/start", "Not Found"),
        ("GET", "/instance/nope", "Instance nope not found"),
        ("GET", "/instance/nope/output", "Instance nope not found"),
        ("POST", "/instance/nope/_kill", "Instance nope not found"),
        ("POST", "/instance/nope/input", "Instance nope not found"),
    ):
        answer = await api.call(method, path)
        assert (answer.status, answer.json) == (404, {"error": message})


async def test_delete(api, package, hub):
    sequence_id = await api.send(package(ECHO))
    assert (await api.call("DELETE", f"/sequence/{sequence_id}")).json == {"id": sequence_id}
    assert (await api.get("/sequences")).json == []
    assert not (hub.sequences.root / sequence_id).exists()


async def test_delete_in_use_needs_force(api, package):
    sequence_id = await api.send(package(ECHO))
    instance = await api.start(sequence_id)
    answer = await api.call("DELETE", f"/sequence/{sequence_id}")
    assert (answer.status, answer.json) == (409, {"error": "Can't remove- Sequence in use"})
    assert (await api.get(instance)).json["status"] == "running"
    answer = await api.call("DELETE", f"/sequence/{sequence_id}", x_seq_kill_inst="true")
    assert (answer.status, answer.json) == (200, {"id": sequence_id})
    await api.answers(instance, 404)  # it goes at once, without its retention


async def test_an_ended_instance_does_not_hold_its_sequence(api, package):
    sequence_id = await api.send(package("def run(context, input): pass"))
    await api.ended(await api.start(sequence_id))
    assert (await api.call("DELETE", f"/sequence/{sequence_id}")).status == 200


async def test_sequences_are_listed_again_after_a_restart(tmp_path, package):
    listings = []
    for first in (True, False):
        async with serve(data_dir=tmp_path) as hub, aiohttp.ClientSession() as session:
            if first:
                headers = {"content-type": OCTETS}
                async with session.post(hub.url + "/sequence", data=package(ECHO), headers=headers) as response:
                    assert response.status == 200
            async with session.get(hub.url + "/sequences") as response:
                listings.append(await response.json())
    assert listings[0] == listings[1] != []


HUB = """
import asyncio, sys
from transform_hub.hub.server import serve
async def main():
    async with serve(data_dir=sys.argv[1]) as hub:
        print(hub.url, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.mark.slow
async def test_every_answered_upload_survives_kill_9(tmp_path, package):
    process = subprocess.Popen([sys.executable, "-c", HUB, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    url = process.stdout.readline().strip()
    async with aiohttp.ClientSession() as session:
        answered = []
        for number in range(5):
            headers = {"content-type": OCTETS}
            archive = package(ECHO, name=f"n{number}")
            async with session.post(url + "/sequence", data=archive, headers=headers) as response:
                answered.append((await response.json())["id"])
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (tmp_path / "sequences" / ".incoming" / "half").mkdir()
    async with serve(data_dir=tmp_path) as hub:
        assert sorted(sequence.id for sequence in hub.sequences) == sorted(answered)
        assert not (tmp_path / "sequences" / ".incoming" / "half").exists()


async def test_directories_with_a_package_are_sequences_and_others_are_left_alone(tmp_path):
    root = tmp_path / "sequences"
    (root / "by-hand").mkdir(parents=True)
    (root / "by-hand" / "package.json").write_text('{"main": "main.py"}')
    (root / "other").mkdir()
    async with serve(data_dir=tmp_path) as hub:
        assert [sequence.id for sequence in hub.sequences] == ["by-hand"]
    assert (root / "other").exists()


async def test_a_data_directory_that_cannot_be_used(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HubStartError, match="data directory"):
        async with serve(data_dir=tmp_path / "file"):
            pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_data_directory_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(HubStartError, match="Permission denied"):
        async with serve(data_dir=tmp_path):
            pass


async def test_a_port_in_use(hub):
    with pytest.raises(HubStartError, match="in use"):
        async with serve(port=hub.port):
            pass


async def test_beyond_loopback_a_token_is_needed():
    with pytest.raises(HubStartError, match="token"):
        async with serve(host="0.0.0.0"):
            pass


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"limits": 5}, "Invalid limits format"),
        ({"limits": {"memory": "much"}}, "Invalid limits format: Expected `float"),
        ({"limits": {"memory": 0}}, "Invalid limits format: Expected `float` > 0.0"),
        ({"limits": {"gpu": 1}}, "Invalid limits format: Expected `bool"),
        ({"limits": {"network": 1}}, "Invalid limits format: Object contains unknown field `network`"),
        ({"instanceId": "short"}, "Invalid instanceId format"),
        ({"instanceId": 5}, "Invalid instanceId format"),
        ({"instanceId": "../" * 12}, "Invalid instanceId format"),
        ({"args": "abc"}, "Invalid args format"),
        ({"appConfig": []}, "Invalid appConfig format"),
        ({"inputTopic": 1}, "Invalid inputTopic format"),
    ],
)
async def test_a_start_with_a_wrong_option_is_refused(request_, message, api, package):
    sequence_id = await api.send(package(ECHO))
    answer = await api.post(f"/sequence/{sequence_id}/start", request_)
    assert answer.status == 400
    assert answer.json["error"].startswith(message)
    assert (await api.get("/instances")).json == []


async def test_a_start_with_all_options(api, package):
    sequence_id = await api.send(package(ECHO))
    options = {
        "instanceId": "00000000-1111-2222-3333-444444444444",
        "appConfig": {"a": 1},
        "args": [1, "two", {"three": 4}],
        "limits": {"memory": 512, "gpu": False},
        "unknown": "is no mistake",
    }
    answer = await api.post(f"/sequence/{sequence_id}/start", options)
    instance_id = options["instanceId"]
    assert answer.json == {"id": instance_id, "message": f"Sequence {instance_id} starting"}
    info = (await api.get(f"/instance/{instance_id}")).json
    for name in ("appConfig", "args", "limits"):
        assert info[name] == options[name]
    again = await api.post(f"/sequence/{sequence_id}/start", {"instanceId": instance_id})
    assert (again.status, again.json) == (409, {"error": "Instance with a given ID already exists"})
