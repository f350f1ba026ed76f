"""The Hub is killed under load while its Instances outlive it (``--reattach``): they go on with the next one.

Uploads, each with a name of its own, follow one another until the Hub is gone. With the next one the sender goes on at
the position of the input, the reader at that of the output: then every line of every upload has come once, in order,
both to the Instance and back.
"""

from __future__ import annotations

import asyncio

import aiohttp

from stress.hub import PATIENCE, HubProcess, hub_process
from stress.numbered import Arrived, batches
from stress.sequences import package
from stress.stage import Stage

TITLE = "Hub killed (kill -9) under load, Instances outlive it"

LINES = 20
"""Of an upload."""

POSITION = "X-Stream-Position"

COUNTING = """
    async def run(context, input):
        with open(context.config["journal"], "wb", buffering=0) as journal:
            async for chunk in input:
                journal.write(chunk)
                yield chunk
"""
"""Gives back what it gets, and keeps a copy in a file."""


async def run(stage: Stage) -> None:
    sent = answered = 0
    async with hub_process(stage.folder, "--reattach") as hub:
        async with hub.client() as host:
            sequence_id = (await host.send_sequence(package(stage.folder, COUNTING))).id
        for number in range(stage.scale.rounds):
            survivor = Survivor(stage, hub, sequence_id, number)
            await survivor.live()
            sent, answered = sent + survivor.begun * LINES, answered + survivor.answered * LINES
    promise = "each once, in order"
    stage.tell(f"{stage.scale.rounds} times: input lines, sent on where the next Hub says", f"{sent}", promise)
    stage.tell("of these answered before the kill", f"{answered}", "with the Instance")
    stage.tell("output lines read before and after", f"{sent}", promise)


class Survivor:
    """An Instance during the end of one Hub and the begin of the next."""

    def __init__(self, stage: Stage, hub: HubProcess, sequence_id: str, number: int) -> None:
        self.stage, self.hub, self.sequence_id = stage, hub, sequence_id
        self.journal = stage.folder / f"journal-{number}"
        self.begun = self.answered = self._answered_bytes = 0
        self._sent, self._read = bytearray(), bytearray()

    async def live(self) -> None:
        """Send and read until the Hub is killed, and the rest with the next."""
        async with aiohttp.ClientSession() as session:
            async with self.hub.client() as host:
                instance = await host.sequence(self.sequence_id).start(app_config={"journal": str(self.journal)})
            self._path = f"/instance/{instance.id}"
            sending = asyncio.create_task(self._send(session))
            reading = asyncio.create_task(self._read_on(session))
            await asyncio.sleep(self.stage.dice.random() * 0.3)
            await self.hub.kill()
            await asyncio.wait_for(sending, 3 * PATIENCE)
            assert not await asyncio.wait_for(reading, 3 * PATIENCE), "the reader was not told"
            await self.hub.start()
            reading = asyncio.create_task(self._read_on(session))
            await self._send_rest(session)
            assert await asyncio.wait_for(reading, 3 * PATIENCE)
        async with self.hub.client() as host:
            assert (await host.instance(instance.id).wait(PATIENCE)).exitcode == 0
        self._judge()

    async def _send(self, session: aiohttp.ClientSession) -> None:
        """Upload one after the other until there is no Hub."""
        try:
            while True:
                data = self._next()
                self._sent += data
                await self._post(session, data, end=False)
                self.answered += 1
                self._answered_bytes = len(self._sent)
        except aiohttp.ClientError:
            return

    async def _send_rest(self, session: aiohttp.ClientSession) -> None:
        """Send what the earlier Hub has not handed on, one upload more, and the end."""
        async with session.get(f"{self.hub.url}{self._path}/input") as answer:
            position = (await answer.json())["position"]
        assert self._answered_bytes <= position <= len(self._sent), "what was answered is not with the Instance"
        self._sent += self._next()
        await self._post(session, bytes(self._sent[position:]), end=True, **{POSITION: str(position)})

    def _next(self) -> bytes:
        self.begun += 1
        return b"".join(batches(f"u{self.begun}", LINES, LINES))

    async def _post(self, session: aiohttp.ClientSession, data: bytes, *, end: bool, **headers: str) -> None:
        headers |= {"Content-Type": "application/octet-stream", "x-end-stream": str(end).lower()}
        async with session.post(f"{self.hub.url}{self._path}/input", data=data, headers=headers) as answer:
            answer.raise_for_status()
            await answer.read()

    async def _read_on(self, session: aiohttp.ClientSession) -> bool:
        """Read from where the last reading ended; whether it was to the end."""
        position = str(len(self._read))
        try:
            async with session.get(f"{self.hub.url}{self._path}/output", headers={POSITION: position}) as answer:
                assert answer.headers[POSITION] == position, "the output was no longer kept"
                async for chunk in answer.content.iter_any():
                    self._read += chunk
        except aiohttp.ClientError:
            return False
        return True

    def _judge(self) -> None:
        """Compare what was sent with what the Instance got, and with what was read."""
        got = self.journal.read_bytes()
        assert got == self._sent, "what the Instance got is not what was sent"
        assert self._read == self._sent, "what was read is not what was sent"
        arrived = Arrived.of(got)
        for number in range(1, self.begun + 1):
            arrived.check_whole(f"u{number}", LINES)
