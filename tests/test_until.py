import asyncio

from until import until, until_sync, waited_for


async def test_until_asks_again_until_the_answer_is_truthy():
    answers = [0, "", None, [7]]

    async def answer():
        return answers.pop(0)

    assert await until(answer) == [7]
    answers += [False, "yes"]
    assert await until(lambda: answers.pop(0)) == "yes"
    answers += [0, 1]
    assert until_sync(lambda: answers.pop(0)) == 1


async def test_a_failure_says_what_was_waited_for():
    async def wait():
        await until(done.is_set)

    done = asyncio.Event()
    waiting = [asyncio.ensure_future(wait()), asyncio.ensure_future(until(done.is_set))]
    await asyncio.sleep(0)  # both begin
    assert "    await until(done.is_set)\n<bound method Event.is_set" in waited_for()
    assert waited_for().count("<bound method Event.is_set") == 2
    done.set()
    await asyncio.gather(*waiting)
    assert not waited_for()
