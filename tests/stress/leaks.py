"""Hubs and clients are created and closed over and over in one process: nothing of them is left in it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from stress.processes import descriptors
from stress.sequences import ECHO, package
from stress.stage import Stage
from transform_hub.client import HostClient
from transform_hub.hub.server import serve

TITLE = "Hubs and clients created and closed in one process"


async def run(stage: Stage) -> None:
    archive = package(stage.folder, ECHO)
    # One worker thread: a pool adds idle ones up to its limit, when it pleases.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(max_workers=1))
    with temporary_directory(stage.folder):
        await live_often(stage, archive)


@contextlib.contextmanager
def temporary_directory(folder: Path) -> Iterator[None]:
    """Have temporary files in a directory that no other process uses."""
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before


async def live_often(stage: Stage, archive: bytes) -> None:
    await life(archive)  # what is set up once: threads of the loop, caches
    before = await count()
    for _ in range(stage.scale.lives):
        await life(archive)
    after = await count()
    assert after == before, (before, after)
    for what, number in after.items():
        stage.tell(f"{what} after {stage.scale.lives} lives: more than before", str(number - before[what]), "0")


async def life(archive: bytes) -> None:
    """A Hub with a client, an Instance that ends, one that is left running, and open streams."""
    async with serve(port=0) as hub, HostClient(hub.url) as host:
        sequence = await host.send_sequence(archive)
        assert (await host.run(sequence, input=b"x\n")).output == b"x\n"
        running = await sequence.start()
        await running.get_output()
        await running.open_input()
        await host.topic("t").get()
        await host.get_log()


async def count() -> dict[str, int]:
    """What a process can have too many of, when all that is closing has closed."""
    for _ in range(3):
        gc.collect()
        await asyncio.sleep(0.1)
    return {
        "descriptors": descriptors(os.getpid()),
        "threads": threading.active_count(),
        "tasks": len(asyncio.all_tasks()),
        "child processes": len(psutil.Process().children(recursive=True)),
        "directories in the temporary one": len(list(Path(tempfile.gettempdir()).iterdir())),
    }
