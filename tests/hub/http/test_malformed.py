"""What no decent client sends: each gets an answer in JSON or the end of its connection, and the Hub goes on."""

import asyncio
import io
import json
import re

import pytest

from transform_hub.protocol import MESSAGE_LIMIT
from until import until

HOST = b"Host: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"


@pytest.fixture
def raw(hub):
    """Sends bytes to the Hub and gives status and body of its answer; None if it closes without one."""

    async def exchange(data, *, half_close=False):
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
        writer.write(data)
        if half_close:
            writer.write_eof()
        head = b""
        while not head.endswith(b"\r\n\r\n") and (line := await reader.readline()):
            head += line
        length = re.search(rb"Content-Length: (\d+)", head)
        body = await reader.readexactly(int(length[1])) if length else b""
        writer.close()
        return (int(head.split()[1]), json.loads(body)) if head else None

    return exchange


def post(path, headers, body=b""):
    return b"POST /api/v1" + path + b" HTTP/1.1\r\nConnection: close\r\n" + HOST + headers + b"\r\n" + body


def json_post(body, path=b"/topics", headers=JSON):
    return post(path, headers + b"Content-Length: %d\r\n" % len(body), body)


MALFORMED = {
    "long path": (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 431),
    "long header": (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 20_000 + b"\r\n\r\n", 431),
    "many headers": (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n" * 5000 + b"\r\n", 431),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00", 400),
    "no host": (b"GET /api/v1/version HTTP/1.1\r\n\r\n", 400),
    "space in path": (b"GET /api/v1/sequence/a b HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "length is no number": (post(b"/topics", JSON + b"Content-Length: many\r\n"), 400),
    "length is negative": (post(b"/topics", JSON + b"Content-Length: -1\r\n"), 400),
    "chunk without size": (post(b"/topics", JSON + b"Transfer-Encoding: chunked\r\n", b"zz\r\n"), 400),
    "not JSON": (json_post(b'{"id":'), 400),
    "not UTF-8": (json_post(b'{"id":"\xff"}'), 400),
    "half a surrogate": (json_post(rb'{"id":"\ud800"}'), 400),
    "nested too deep": (json_post(b"[" * 99_000), 400),
    "latin-1": (json_post(b"{}", headers=b"Content-Type: application/json; charset=latin1\r\n"), 400),
    "no content type": (json_post(b"{}", headers=b""), 400),
    "content type is rubbish": (json_post(b"{}", headers=b"Content-Type: ;;/;\r\n"), 400),
    "compressed": (json_post(b"{}", headers=JSON + b"Content-Encoding: gzip\r\n"), 400),
    "too large": (post(b"/topics", JSON + b"Content-Length: %d\r\n" % (MESSAGE_LIMIT + 1)), 413),
    "an expectation nobody meets": (post(b"/topics", JSON + b"Expect: miracles\r\nContent-Length: 0\r\n"), 417),
}


@pytest.mark.parametrize("defect", MALFORMED)
async def test_a_malformed_request_is_answered_in_json(defect, raw, api):
    request, expected = MALFORMED[defect]
    status, body = await raw(request)
    assert status == expected
    assert isinstance(body["error"], str)
    assert (await api.get("/version")).status == 200
    assert "Traceback" not in body["error"]


IDS = ["..", "%2e%2e", "..%2F..%2Fetc", "..%5C..", "a%00b", "%ff", "%", "{x}", "@a/b", "@a%2Fb", "a" * 4000]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/instances"), ("POST", "/start")],
    ids=["get", "put", "delete", "instances", "start"],
)
async def test_no_id_leads_anywhere(method, path, raw, hub):
    before = sorted(hub.sequences.root.parent.rglob("*"))
    for id_ in IDS:
        head = f"{method} /api/v1/sequence/{id_}{path} HTTP/1.1\r\nConnection: close\r\nContent-Length: 0\r\n"
        status, body = await raw(head.encode() + HOST + b"\r\n")
        assert status == 404
        assert isinstance(body["error"], str)
    assert sorted(hub.sequences.root.parent.rglob("*")) == before


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /api/v1/vers",
        post(b"/topics", JSON + b"Content-Length: 100\r\n", b"{"),
        post(b"/topics", JSON + b"Transfer-Encoding: chunked\r\n", b'5\r\n{"id"\r\n'),
        post(b"/sequence", b"Transfer-Encoding: chunked\r\n", b"2\r\n\x1f\x8b\r\n"),
    ],
    ids=["head", "length", "chunks", "upload"],
)
async def test_half_a_request_is_given_up_and_leaves_nothing(request_, raw, api, hub):
    assert await raw(request_, half_close=True) is None
    assert (await api.get("/topics")).json == []
    await until(lambda: not list((hub.sequences.root / ".incoming").iterdir()))


async def test_large_arguments_arrive(api, package):
    sequence_id = await api.send(package("async def run(context, input, text):\n    yield str(len(text))\n"))
    body = io.BytesIO(json.dumps({"args": ["a" * (3 << 20)]}).encode())
    answer = await api.post(f"/sequence/{sequence_id}/start", body, content_type="application/json")
    instance = f"/instance/{answer.json['id']}"
    assert await api.read(f"{instance}/output") == str(3 << 20).encode()
