"""Uploads at the same time leave threads for everything else."""

import asyncio
import threading

from transform_hub.hub.sequences import files
from until import until


async def test_two_are_unpacked_at_a_time_and_others_are_not_behind_them(api, package, monkeypatch):
    old, archive = await api.send(package("")), package("def run(context, input): return 'x'")
    unpack, go, lock = files.unpack, threading.Event(), threading.Lock()
    now = most = 0

    def held_up(*arguments, **options):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        go.wait()
        with lock:
            now -= 1
        return unpack(*arguments, **options)

    monkeypatch.setattr(files, "unpack", held_up)
    try:
        uploads = [asyncio.ensure_future(api.send(archive)) for _ in range(40)]  # more than the threads of everything
        await until(lambda: now == files.UNPACKINGS)
        assert (await api.call("DELETE", f"/sequence/{old}")).status == 200
        assert not any(upload.done() for upload in uploads)
    finally:
        go.set()
    assert len({*await asyncio.gather(*uploads)}) == 40
    assert most == files.UNPACKINGS


async def test_an_upload_that_is_given_up_while_it_waits_leaves_room(api, package, monkeypatch):
    archive, unpack, go = package("def run(context, input): return 'x'"), files.unpack, threading.Event()
    started = []

    def held_up(*arguments, **options):
        started.append(arguments)
        go.wait()
        return unpack(*arguments, **options)

    monkeypatch.setattr(files, "unpack", held_up)
    try:
        uploads = [asyncio.ensure_future(api.send(archive)) for _ in range(files.UNPACKINGS + 3)]
        await until(lambda: len(started) == files.UNPACKINGS)
        for upload in uploads:
            upload.cancel()
        await asyncio.wait(uploads)
    finally:
        go.set()
    sent = await api.send(archive)
    assert (await api.get(f"/sequence/{sent}")).status == 200
