"""Many open streams of all kinds on one Hub, small calls answered meanwhile."""

from __future__ import annotations

import asyncio
import time

from stress.crowd import start_all, stop_all
from stress.hub import PATIENCE, HubProcess, hub_process
from stress.numbered import Arrived, lines
from stress.probe import probing
from stress.processes import pss
from stress.sequences import WAITING, package
from stress.stage import Stage
from transform_hub.client import HostClient, TopicClient

TITLE = "many open streams"

INSTANCES = 10
TOPIC = "stress"


async def run(stage: Stage) -> None:
    async with hub_process(stage.folder) as hub:
        before = hub.descriptors
        async with hub.client() as host:
            sequence = await host.send_sequence(package(stage.folder, WAITING))
            await host.create_topic(TOPIC, "text/plain")
            instances, _ = await start_all(sequence, INSTANCES)
            streams = await open_all(stage, hub, [instance.path for instance in instances])
            await serve_all(stage, hub, host, streams)
            await stop_all(host, instances)
        for stream in streams:
            stream.close()
        async with hub.client() as host:
            await host.delete_topic(TOPIC)  # what outlives a Hub has a descriptor
        await hub.back_at(before)
        stage.tell("descriptors left when all were closed", "0", "none")


async def open_all(stage: Stage, hub: HubProcess, instances: list[str]) -> list[OpenStream]:
    """Open streams: every second one of the topic, the others of all kinds that an Instance has."""
    memory = pss(hub.process.pid)
    kinds = ("output", "stdout", "stderr", "log", "events/tick")
    paths = [f"/topic/{TOPIC}", *(f"{instance}/{kind}" for instance in instances for kind in kinds)]
    chosen = [paths[index // 2 % len(paths)] if index % 2 else paths[0] for index in range(stage.scale.streams)]
    streams = await asyncio.gather(*(OpenStream.to(hub, path) for path in chosen))
    grown = (pss(hub.process.pid) - memory) / len(streams)
    stage.tell(f"{len(streams)} streams: memory of the Hub for each", f"{grown / 1e3:.0f} kB")
    return streams


async def serve_all(stage: Stage, hub: HubProcess, host: HostClient, streams: list[OpenStream]) -> None:
    """Write to a topic while small calls are answered; each of its readers gets all of it."""
    readers = [stream for stream in streams if stream.path.startswith("/topic")]
    sent = int(stage.scale.seconds * 10)
    async with probing(hub.port) as latencies:
        await write_slowly(host.topic(TOPIC, "text/plain"), sent)
    for stream in readers:
        await stream.until_line(sent - 1)
        stream.arrived.check_whole("t", sent)
    stage.tell(f"lines of a topic to its {len(readers)} readers", f"{sent * len(readers)}", "each once")
    stage.tell("small calls meanwhile", str(latencies))


async def write_slowly(topic: TopicClient, count: int) -> None:
    """Write ten lines a second."""
    async with topic.open() as writer:
        for number in range(count):
            due = time.monotonic() + 0.1
            await writer.write(next(lines("t", 1, first=number)))
            await asyncio.sleep(max(due - time.monotonic(), 0))


class OpenStream:
    """One GET on a connection of its own, read as it comes."""

    def __init__(self, path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.path = path
        self._reader, self._writer = reader, writer
        self._data = b""

    @classmethod
    async def to(cls, hub: HubProcess, path: str) -> OpenStream:
        """Open it; it is there when the Hub has answered."""
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
        writer.write(f"GET /api/v1{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n\r\n".encode())
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
        assert head.startswith(b"HTTP/1.1 200 "), head
        return cls(path, reader, writer)

    @property
    def arrived(self) -> Arrived:
        """The numbered lines that came; the sizes of HTTP's chunks are on lines of their own."""
        return Arrived.of(self._data)

    async def until_line(self, number: int) -> None:
        """Read until this line of the topic is there."""
        wanted = f"t:{number}:".encode()
        while wanted not in self._data or not self._data.endswith(b"\r\n"):
            data = await asyncio.wait_for(self._reader.read(65536), PATIENCE)
            assert data, f"{self.path} ended before line {number}"
            self._data += data

    def close(self) -> None:
        self._writer.close()
