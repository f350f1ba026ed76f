"""Bodies with a Content-Encoding are decoded, or refused; so are content types with parameters taken."""

import gzip
import io
import json
import zlib

import aiohttp
import pytest

from transform_hub.hub.errors import ApiError
from transform_hub.hub.http import content_encoding
from transform_hub.hub.http.content_encoding import Decoder
from transform_hub.hub.server import serve
from transform_hub.package import Limits
from transform_hub.protocol import MESSAGE_LIMIT

NDJSON = "application/x-ndjson"
OCTETS = "application/octet-stream"
ECHO = """
async def run(context, input):
    async for item in input:
        yield item
"""


def raw_deflate(data):
    deflate = zlib.compressobj(wbits=-15)
    return deflate.compress(data) + deflate.flush()


ENCODED = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZip", gzip.compress),
    "two of gzip": ("gzip", lambda data: gzip.compress(data[:3]) + gzip.compress(data[3:])),
    "deflate": ("deflate", zlib.compress),
    "deflate without its head": ("deflate", raw_deflate),
    "identity": ("identity", bytes),
}
REFUSED = ["br", "zstd", "gzip, gzip", "compress", "utf-8"]


@pytest.fixture(params=ENCODED)
def encoded(request):
    """The header, and what encodes."""
    return ENCODED[request.param]


async def test_an_input_is_decoded(encoded, api, package):
    encoding, encode = encoded
    instance = await api.start(await api.send(package(ECHO)))
    first = await api.input(instance, encode(b"hello\n"), x_end_stream="false", content_encoding=encoding)
    assert first.status == 202
    assert (await api.get(f"{instance}/input")).json["position"] == 6  # of decoded bytes
    again = await api.input(instance, encode(b"world\n"), x_stream_position="6", content_encoding=encoding)
    assert again.status == 200
    assert await api.read(f"{instance}/output") == b"hello\nworld\n"


async def test_what_both_ends_carry_at_once_is_decoded(api, package):
    instance = await api.start(await api.send(package(ECHO)))
    headers = {"content_type": "text/plain", "content_encoding": "gzip", "x_end_stream": "true"}
    assert (await api.post(f"{instance}/inout", gzip.compress(b"hello\n"), **headers)).body == b"hello\n"


async def test_topics_and_json_are_decoded(encoded, api):
    encoding, encode = encoded
    body = json.dumps({"id": "t", "content-type": NDJSON}).encode()
    answer = await api.post("/topics", encode(body), content_type="application/json", content_encoding=encoding)
    assert answer.status == 200, answer.text
    assert (await api.post("/topic/t", encode(b"1\n"), content_type=NDJSON, content_encoding=encoding)).status == 200
    async with api.session.get(f"{api.url}/topic/t") as reader:
        assert await reader.content.readline() == b"1\n"


async def test_a_package_is_decoded(encoded, api, package):
    encoding, encode = encoded
    archive = package(ECHO)
    answer = await api.post("/sequence", encode(archive), content_type=OCTETS, content_encoding=encoding)
    assert answer.status == 200, answer.text
    assert (await api.get(f"/sequence/{answer.json['id']}")).json["config"]["packageSize"] == len(archive)


@pytest.mark.parametrize("encoding", REFUSED)
async def test_other_encodings_are_refused_and_change_nothing(encoding, api, package):
    instance = await api.start(await api.send(package(ECHO)))
    answers = [
        await api.input(instance, b"x", content_encoding=encoding),
        await api.post(f"{instance}/stdin", b"x", content_type=OCTETS, content_encoding=encoding),
        await api.post(f"{instance}/inout", b"x", content_type=OCTETS, content_encoding=encoding),
        await api.post(f"{instance}/_kill", b"{}", content_type="application/json", content_encoding=encoding),
        await api.post("/topic/t", b"x", content_type=NDJSON, content_encoding=encoding),
        await api.post("/sequence", package(ECHO), content_type=OCTETS, content_encoding=encoding),
    ]
    for answer in answers:
        assert answer.status == 415
        assert answer.json == {"error": f"The content encoding {encoding} is not supported; use gzip or deflate"}
        assert answer.headers["accept-encoding"] == "gzip, deflate"
    assert (await api.get("/topics")).json == []
    assert len((await api.get("/sequences")).json) == 1
    assert (await api.get(f"{instance}/input")).json == {"position": 0, "ended": False}


@pytest.mark.parametrize(
    "body",
    [b"hello", gzip.compress(b"hello", mtime=0)[:-9], gzip.compress(b"hello", mtime=0) + b"x"],
    ids=["plain", "cut", "followed"],
)
async def test_what_is_damaged_is_refused(body, api, package):
    instance = await api.start(await api.send(package(ECHO)))
    for path, content_type in [("/topic/t", "text/plain"), ("/topics", "application/json")]:
        answer = await api.post(path, body, content_type=content_type, content_encoding="gzip")
        assert (answer.status, answer.json["error"][:32]) == (400, "The body of the request is not g"), path
    if body == b"hello":
        assert (await api.input(instance, body, content_encoding="gzip")).status == 400
    else:  # the answer has begun with what was good
        with pytest.raises(aiohttp.ClientError):
            await api.input(instance, body, content_encoding="gzip")
    assert not (await api.get(f"{instance}/input")).json["ended"]


@pytest.mark.parametrize("path", ["input", "stdin", "inout"])
@pytest.mark.parametrize("has_begun", [False, True], ids=["at once", "later"])
async def test_the_log_of_the_instance_says_why_a_body_was_cut_off(path, has_begun, api, package):
    instance = await api.start(await api.send(package(ECHO)))
    damaged = gzip.compress(b"hello\n") + b"xx" if has_begun else b"xx"
    sending = api.post(f"{instance}/{path}", damaged, content_type=OCTETS, content_encoding="gzip")
    words = "The body of the request is not gzip, or damaged: incorrect header check"
    if has_begun or path == "inout":
        with pytest.raises(aiohttp.ClientError):
            await sending
    else:
        answer = await sending
        assert (answer.status, answer.json) == (400, {"error": words})
    async with api.session.get(api.url + f"{instance}/log") as log:
        async for line in log.content:
            if (entry := json.loads(line))["level"] == "WARN":
                break
    assert (entry["from"], entry["msg"]) == ("Hub", f"What a client has sent is cut off: {words}")


async def test_bombs_are_refused_by_their_decoded_size(tmp_path, api_of):
    bomb = gzip.compress(bytes(MESSAGE_LIMIT + 1))
    limits = Limits(max_archive_bytes=1000)
    async with serve(data_dir=tmp_path, limits=limits) as hub, aiohttp.ClientSession() as session:
        api = api_of(hub, session)
        answer = await api.post("/topics", bomb, content_type="application/json", content_encoding="gzip")
        assert answer.status == 413
        body = gzip.compress(b"\x1f\x8b" + bytes(10_000))
        answer = await api.post("/sequence", body, content_type=OCTETS, content_encoding="gzip")
        assert (answer.status, answer.json["error"]) == (413, "The package is larger than 1000 bytes")


def test_pieces_are_bounded_however_small_they_were():
    pieces = list(Decoder("gzip").pieces(gzip.compress(bytes(10 << 20))))
    assert sum(map(len, pieces)) == 10 << 20
    assert max(map(len, pieces)) <= content_encoding.PIECE


def test_many_small_streams_in_a_row_are_one():
    data = gzip.compress(b"x") * 5000
    decoder = Decoder("gzip")
    file = io.BytesIO(data)
    assert b"".join(piece for part in iter(lambda: file.read(7), b"") for piece in decoder.pieces(part)) == b"x" * 5000
    decoder.end()


def test_nothing_is_nothing_in_any_encoding():
    Decoder("gzip").end()
    with pytest.raises(ApiError, match="something follows its end"):
        list(Decoder("deflate").pieces(zlib.compress(b"x") + b"y"))


async def test_parameters_and_case_of_a_content_type_do_not_matter(api, package):
    answer = await api.post("/topics", {"id": "t", "content-type": "Text/Plain; charset=utf-8"})
    assert answer.json["contentType"] == "text/plain"
    for content_type in ("text/plain", "TEXT/PLAIN;charset=UTF-8", "text/plain ; x=y"):
        assert (await api.post("/topic/t", b"x\n", content_type=content_type)).status == 200
    async with api.session.get(f"{api.url}/topic/t", headers={"content-type": "text/plain; q=1"}) as reader:
        assert await reader.content.readexactly(6) == b"x\nx\nx\n"
    refused = await api.get("/topic/t", content_type="text/html")
    assert (refused.status, refused.reason) == (415, "Unsupported content-type")
    assert "text/plain, application/octet-stream or application/vnd.scramjet.messages" in refused.json["error"]
    source = f'provides = {{"provides": "t", "contentType": "text/plain; charset=utf-8"}}\n{ECHO}'
    instance = await api.start(await api.send(package(source)))
    await api.input(instance, b"there\n", "TEXT/Plain; charset=utf-8")
    async with api.session.get(f"{api.url}/topic/t", headers={"content-type": "text/plain"}) as reader:
        assert await reader.content.readline() == b"there\n"
