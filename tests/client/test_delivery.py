"""Sending packages: progress, replacing, and Hubs that fail in the midst of it."""

import asyncio
import subprocess
import sys
import textwrap

import pytest
from aiohttp import web
from faulty import client_tasks, raw, serving

from transform_hub import errors
from transform_hub.client import HostClient

ONE = 'def run(context, input): return "one"'
TWO = 'def run(context, input): return "two"'


async def output_of(sequence):
    return await (await sequence.start()).get_output().read()


async def test_replacing_a_sequence(client, package, tmp_path):
    sequence = await client.send_sequence(package(ONE))
    told = []
    await sequence.overwrite(package(TWO), progress=lambda *figures: told.append(figures))
    assert await output_of(sequence) == b"two"
    assert told[-1] == (len(package(TWO)),) * 2
    assert [found.id for found in await client.list_sequences()] == [sequence.id]
    with pytest.raises(errors.ConflictError):
        await sequence.overwrite(package(ONE))
    with pytest.raises(errors.PackageError, match="There is no"):
        await sequence.overwrite(tmp_path / "none")
    with pytest.raises(errors.NotFoundError):
        await client.sequence("none").overwrite(package(ONE))


async def test_a_package_that_is_refused_replaces_nothing(client, package):
    sequence = await client.send_sequence(package(ONE))
    for broken in (b"no archive", package(ONE)[:100]):
        with pytest.raises(errors.UnprocessableError):
            await sequence.overwrite(broken)
    assert await output_of(sequence) == b"one"


async def test_finding_by_name(client, package):
    first = await client.send_sequence(package(ONE, name="one"))
    two = await client.send_sequence(package(TWO, name="two"))
    assert await client.get_sequence("two") == two
    assert await client.get_sequence(first.id) == first
    assert [found.id for found in await client.find_sequences("one")] == [first.id]
    assert await client.find_sequences("none") == []
    with pytest.raises(errors.NotFoundError, match="There is no Sequence with the id or name 'none'"):
        await client.get_sequence("none")
    again = await client.send_sequence(package(ONE, name="one"))
    with pytest.raises(errors.AmbiguousNameError, match="2 Sequences are named 'one'") as raised:
        await client.get_sequence("one")
    assert set(raised.value.ids) == {first.id, again.id}


async def test_progress_of_what_has_no_known_length(client, package):
    told = []

    async def chunks():
        yield package(ONE)[:50]
        yield package(ONE)[50:]

    await client.send_sequence(chunks(), progress=lambda *figures: told.append(figures))
    assert told == [(50, None), (len(package(ONE)), None)]


async def test_an_error_of_the_progress_function_ends_the_upload(client, package):
    def progress(sent, total):
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await client.send_sequence(package(ONE), progress=progress)
    assert await client.list_sequences() == []


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_hub_that_goes_away_during_the_upload(method):
    tries = []

    async def take_some(reader, writer):
        tries.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await reader.readexactly(100_000)
        writer.transport.abort()

    async with raw(take_some) as url, HostClient(url) as host:
        with pytest.raises(errors.StreamError, match="was lost before the Hub had everything"):
            if method == "POST":
                await host.send_sequence(b"x" * 20_000_000)
            else:
                await host.sequence("s").overwrite(b"x" * 20_000_000)
        assert len(tries) == 1
        assert tries[0].startswith(method.encode())
        assert client_tasks() == set()


async def test_a_hub_that_sends_half_an_answer():
    async def half(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await reader.readexactly(7)
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"id": "')
        await writer.drain()

    async with raw(half) as url, HostClient(url) as host:
        with pytest.raises(errors.StreamError, match="connection was lost"):
            await host.send_sequence(b"package")


async def test_a_hub_that_takes_nothing_more_in_time():
    async def stall(request):
        await request.content.readany()
        await asyncio.Event().wait()

    async with serving(("POST", "/sequence", stall)) as server, HostClient(server.url, timeout=0.1) as host:
        with pytest.raises(errors.HubTimeoutError, match=r"took nothing more for 0\.1 s"):
            await host.send_sequence(b"x" * 50_000_000)


@pytest.mark.slow
async def test_an_upload_that_moves_may_last_longer_than_a_call():
    async def take(request):
        await request.read()
        return web.json_response({"id": "s"})

    async def chunks():
        for _ in range(24):
            yield b"x"
            await asyncio.sleep(0.05)

    async with serving(("POST", "/sequence", take)) as server, HostClient(server.url, timeout=1.0) as host:
        assert (await host.send_sequence(chunks())).id == "s"


@pytest.mark.slow
async def test_a_large_file_needs_little_memory(tmp_path):
    """A file of 512 MB, from a process of its own that tells how much memory it took."""
    path = tmp_path / "large.tar.gz"
    with path.open("wb") as file:
        file.truncate(512 * 1024 * 1024)
    size = 0

    async def discard(request):
        nonlocal size
        async for chunk in request.content.iter_any():
            size += len(chunk)
        return web.json_response({"id": "s"})

    script = textwrap.dedent("""
        import asyncio, resource, sys
        from pathlib import Path
        from transform_hub import HostClient

        async def main(url, path):
            async with HostClient(url) as host:
                before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                await host.send_sequence(Path(path))
                print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)

        asyncio.run(main(*sys.argv[1:]))
    """)
    async with serving(("POST", "/sequence", discard)) as server:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, server.url, str(path), stdout=subprocess.PIPE
        )
        grown, _ = await process.communicate()
    assert size == 512 * 1024 * 1024
    assert int(grown) < 30_000  # KB
