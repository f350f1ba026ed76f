"""Long work in short turns: everything else goes on, and several works share the time of one."""

import asyncio

import pytest

from transform_hub.hub import turns
from transform_hub.hub.http.lists import encoded_list


@pytest.fixture
def shortest(monkeypatch):
    """A turn is over after one item."""
    monkeypatch.setattr(turns, "TURN", 0)
    return turns.Turns()


async def test_others_get_theirs_between_two_turns(shortest):
    done = []

    async def other():
        while len(done) < 20:
            done.append("other")
            await asyncio.sleep(0)

    await asyncio.gather(shortest.each(done.append, range(5)), other())
    assert [each for each in done if each != "other"] == [*range(5)]
    assert all("other" in done[done.index(item) : done.index(item + 1)] for item in range(4))


async def test_what_is_short_takes_one_turn():
    done = []
    work = asyncio.ensure_future(turns.Turns().each(done.append, range(5)))
    await asyncio.sleep(0)
    assert done == [*range(5)]
    await work


async def test_many_at_once_wait_for_each_other(shortest):
    done = []
    works = [asyncio.ensure_future(shortest.each(done.append, [work] * 3)) for work in range(50)]
    rounds = 0
    while not all(work.done() for work in works):
        before = len(done)
        await asyncio.sleep(0)
        rounds = max(rounds, len(done) - before)
    assert len(done) == 150
    assert rounds == 1


async def test_one_that_fails_or_is_given_up_holds_up_no_other(shortest):
    done = []
    given_up = asyncio.ensure_future(shortest.each(done.append, range(1000)))
    with pytest.raises(ZeroDivisionError):
        await shortest.each(lambda item: 1 / item, [1, 0])
    given_up.cancel()
    await asyncio.wait({given_up})
    assert len(done) < 1000
    assert await encoded_list(shortest, [1, 2, None, 3], lambda item: item) == b"[1,2,3]"
