"""Input and stdin go on exactly where they were when the Hub is killed, and the sender learns where that is."""

import asyncio
import random

import aiohttp
import pytest

from transform_hub.hub.reattach.ring import can_spool

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not can_spool(), reason="this system can't keep positions")]

POSITION = "x-stream-position"

KEEPS = """
import asyncio, sys
def copy(path):
    with open(path, "wb") as file:
        while chunk := sys.stdin.buffer.read1(100_000):
            file.write(chunk)
async def run(context, input, path):
    finish = asyncio.Event()
    context.on("finish", lambda _: finish.set())
    reading = asyncio.ensure_future(asyncio.to_thread(copy, path + ".stdin"))
    with open(path + ".input", "wb") as file:
        async for chunk in input:
            file.write(chunk)
            if len(chunk) % 3 == 0:
                await asyncio.sleep(0.001)
    await reading
    await finish.wait()
"""


class Sending:
    """Sends data to its end, in pieces of any size; goes on where the stream is when the Hub was away."""

    def __init__(self, sth, path, data, chance):
        self.sth, self.path, self.data, self.chance = sth, path, data, chance
        self.resumed = []

    async def run(self):
        position = 0
        while True:
            try:
                if await self._send(position):
                    return
            except (aiohttp.ClientError, ConnectionError):
                pass
            if (state := await self._state()) is not None:
                position = state["position"]
                self.resumed.append(position)
                if state["ended"]:
                    assert position == len(self.data)
                    return

    async def _send(self, position):
        headers = {POSITION: str(position), "content-type": "application/octet-stream"}
        body = self._pieces(position)
        async with self.sth.session.post(self.sth.url + self.path, data=body, headers=headers) as answer:
            await answer.read()
            assert answer.status in (200, 409), answer.status
            return answer.status == 200

    async def _pieces(self, position):
        while position < len(self.data):
            size = self.chance.choice((1, 100, 5_000, 70_000, 300_000))
            yield self.data[position : position + size]
            position += size

    async def _state(self):
        try:
            async with self.sth.session.get(self.sth.url + self.path) as answer:
                assert answer.status == 200
                return await answer.json()
        except aiohttp.ClientError:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(("size", "kills"), [(60_000_000, 8)])
async def test_bytes_arrive_once_through_all_kills(sth, package, tmp_path, size, kills):
    chance = random.Random(1)
    api = await sth.start("--reattach")
    kept = tmp_path / "kept"
    instance = await api.start(await api.send(package(KEEPS)), args=[str(kept)])
    sent = {name: chance.randbytes(size) for name in ("input", "stdin")}
    sending = [Sending(sth, f"{instance}/{name}", data, chance) for name, data in sent.items()]
    tasks = [asyncio.ensure_future(each.run()) for each in sending]
    for _ in range(kills):
        await asyncio.sleep(chance.uniform(0, 0.1))
        await sth.kill()
        api = await sth.start("--reattach", port=sth.port)
    await asyncio.gather(*tasks)
    await api.post(f"{instance}/_event", [5001, {"eventName": "finish"}])
    assert (await api.ended(instance))["terminated"]["exitcode"] == 0
    for name, data in sent.items():
        assert (tmp_path / f"kept.{name}").read_bytes() == data, name
    assert any(0 < position < size for each in sending for position in each.resumed)


async def test_the_position_is_that_of_all_that_was_answered(sth, package, tmp_path):
    api = await sth.start("--reattach")
    kept = tmp_path / "kept"
    instance = await api.start(await api.send(package(KEEPS)), args=[str(kept)])
    octets = "application/octet-stream"
    for number in range(3):
        await api.input(instance, b"12345", octets, x_end_stream="false")
        await api.post(f"{instance}/stdin", b"123", content_type=octets, x_end_stream="false")
        await sth.kill()
        api = await sth.start("--reattach")
        assert (await api.get(f"{instance}/input")).json == {"position": 5 * (number + 1), "ended": False}
        assert (await api.get(f"{instance}/stdin")).json == {"position": 3 * (number + 1), "ended": False}
        assert (await api.get(f"{instance}/health")).json["traffic"]["input"] == 5 * (number + 1)
    await api.input(instance, b"")
    await sth.kill()
    api = await sth.start("--reattach")
    assert (await api.get(f"{instance}/input")).json == {"position": 15, "ended": True}
    assert (await api.input(instance, b"x", octets)).headers[POSITION] == "15"
    await api.post(f"{instance}/stdin", b"", content_type=octets)
    await api.post(f"{instance}/_event", [5001, {"eventName": "finish"}])
    assert (await api.ended(instance))["terminated"]["exitcode"] == 0
    assert (tmp_path / "kept.input").read_bytes() == b"12345" * 3
