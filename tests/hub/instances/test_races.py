"""Requests that get in each other's way: what is answered is true, and nothing is left."""

import asyncio

import aiohttp

from until import until

SLOW_TO_LOAD = """
import time
time.sleep(0.3)
def run(context, input): return input
"""
OCTETS = "application/octet-stream"


async def delete(api, sequence_id, **headers):
    return await api.call("DELETE", f"/sequence/{sequence_id}", **headers)


async def test_of_two_deletes_one_is_done_and_the_other_finds_nothing(api, package, hub):
    sequence_id = await api.send(package("def run(context, input): return input"))
    await api.start(sequence_id)
    answers = await asyncio.gather(*(delete(api, sequence_id, x_seq_kill_inst="1") for _ in range(3)))
    assert sorted(answer.status for answer in answers) == [200, 404, 404]
    assert (await api.get("/sequences")).json == (await api.get("/instances")).json == []
    assert not (hub.sequences.root / sequence_id).exists()


async def test_a_sequence_that_is_being_started_is_in_use(api, package, hub):
    sequence_id = await api.send(package(SLOW_TO_LOAD))
    starting = asyncio.create_task(api.post(f"/sequence/{sequence_id}/start", {}))
    await until(lambda: hub.instances, pause=0)
    assert (await delete(api, sequence_id)).status == 409
    answer = await api.call("PUT", f"/sequence/{sequence_id}", package("x"), content_type=OCTETS)
    assert answer.status == 409
    assert (await starting).status == 200


async def test_a_forced_delete_during_a_start_ends_both(api, package, hub):
    sequence_id = await api.send(package(SLOW_TO_LOAD))
    starting = asyncio.create_task(api.post(f"/sequence/{sequence_id}/start", {}))
    await until(lambda: hub.instances, pause=0)
    assert (await delete(api, sequence_id, x_seq_kill_inst="1")).status == 200
    assert (await starting).status in (200, 400)  # it ran, or was ended before it could
    assert hub.instances == {}
    assert not (hub.sequences.root / sequence_id).exists()


async def test_a_client_that_goes_away_during_a_delete_does_not_stop_it(api, package, hub):
    sequence_id = await api.send(package("def run(context, input): return input"))
    await api.start(sequence_id)
    deleting = asyncio.create_task(delete(api, sequence_id, x_seq_kill_inst="1"))
    await until(lambda: any(instance.status != "running" for instance in hub.instances.values()), pause=0)
    deleting.cancel()
    await api.answers(f"/sequence/{sequence_id}", 404)


async def test_starts_with_the_same_id_at_once_give_one_instance(api, package, hub):
    sequence_id = await api.send(package("def run(context, input): return input"))
    body = {"instanceId": "00000000-1111-2222-3333-444444444444"}
    answers = await asyncio.gather(*(api.post(f"/sequence/{sequence_id}/start", body) for _ in range(5)))
    assert sorted(answer.status for answer in answers) == [200, 409, 409, 409, 409]
    assert list(hub.instances) == [body["instanceId"]]


async def test_uploads_at_once_are_all_there(hub, package):
    archives = [package("def run(context, input): return input", name=f"s{number}") for number in range(10)]
    async with aiohttp.ClientSession(headers={"content-type": OCTETS}) as session:

        async def send(archive):
            async with session.post(hub.url + "/sequence", data=archive) as response:
                return (await response.json())["id"]

        ids = await asyncio.gather(*map(send, archives))
    assert sorted(ids) == sorted(sequence.id for sequence in hub.sequences)
    assert {sequence.name for sequence in hub.sequences} == {f"s{number}" for number in range(10)}
    assert not list((hub.sequences.root / ".incoming").iterdir())
