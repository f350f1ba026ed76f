"""Streams of several MB through ``sth``: http and https, with and without reattach, on uvloop and on asyncio."""

import asyncio
import io
import ssl
import sys

import aiohttp
import pytest
import trustme

SIZE = 5_000_000
WRITES = f"""
import sys, threading
def write():
    for _ in range({SIZE} // 1000):
        sys.stdout.write("o" * 999 + "\\n")
async def run(context, input):
    thread = threading.Thread(target=write)
    thread.start()
    for _ in range({SIZE} // 100_000):
        yield "x" * 99_999 + "\\n"
    thread.join()
"""
WITHOUT_UVLOOP = "import sys; sys.modules['uvloop'] = None; from transform_hub.cli.sth import main; main()"


async def read(sth, path, **headers):
    """The first bytes of a stream, as many as are written to it."""
    async with sth.session.get(sth.url + path, headers=headers) as answer:
        assert answer.status == 200
        return await answer.content.readexactly(SIZE)


async def write(sth, topic, **headers):
    lines = io.BytesIO((b"t" * 999 + b"\n") * (SIZE // 1000))
    async with sth.session.post(sth.url + topic, data=lines, headers=headers) as answer:
        assert answer.status == 200


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize("reattach", ["--reattach", "--no-reattach"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_streams_reach_their_end(sth, scheme, reattach, loop, tmp_path, package):
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "hub.pem")
    context = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
    if loop == "asyncio":
        sth.command = (sys.executable, "-c", WITHOUT_UVLOOP)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as sth.session:
        api = await sth.start(reattach, *(("--tls-cert", tmp_path / "hub.pem") if scheme == "https" else ()))
        assert sth.url.startswith(f"{scheme}://")
        instance = await api.start(await api.send(package(WRITES)))
        kind = {"content-type": "text/plain"}
        output, stdout, topic, _ = await asyncio.gather(
            read(sth, f"{instance}/output"),
            read(sth, f"{instance}/stdout"),
            read(sth, "/topic/much", **kind),
            write(sth, "/topic/much", **kind),
        )
    assert [set(each) for each in (output, stdout, topic)] == [set(b"x\n"), set(b"o\n"), set(b"t\n")]
