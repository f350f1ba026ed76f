"""Sequences as people write them; read by type checkers, and run by test_sequences.py."""

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

from typing_extensions import TypeIs, assert_type

from transform_hub import Context, DropChunk, HostClient, Input, Stream


def run(context: Context, input: Input[str], volume: int = 1) -> Stream[str]:
    return input.map(str.strip).filter(bool).map(shout, volume)


def shout(line: str, volume: int) -> str:
    return line.upper() + "!" * volume


async def slow(line: str) -> int:
    await asyncio.sleep(0)
    return len(line)


def only_long(line: str) -> str | type[DropChunk]:
    return line if len(line) > 3 else DropChunk


async def only_long_later(line: str) -> str | type[DropChunk]:
    return line if len(line) > 3 else DropChunk


def is_text(value: object) -> TypeIs[str]:
    return isinstance(value, str)


def words(line: str) -> list[str]:
    return line.split()


async def words_later(line: str, separator: str) -> list[str]:
    return line.split(separator)


def cut(partial: str, chunk: str) -> list[str]:
    return (partial + chunk).split(",")


def add(total: int, line: str) -> int:
    return total + len(line)


async def add_later(total: int, line: str) -> int:
    return total + len(line)


def longer(one: str, other: str) -> str:
    return max(one, other, key=len)


async def generator(context: Context, input: Input[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
    async for item in input:
        assert_type(item, dict[str, Any])
        yield item


def plain_generator(context: Context, input: Input[bytes]) -> Iterator[int]:
    yield from range(3)


async def checked(item: dict[str, Any]) -> dict[str, Any]:
    return item


async def checked_for(item: dict[str, Any], user: str) -> list[dict[str, Any]]:
    return [item]


async def summed(total: int, item: dict[str, Any]) -> int:
    return total + len(item)


class Service:
    async def ask(self, item: dict[str, Any]) -> str | type[DropChunk]:
        return item["answer"] or DropChunk


async def values_of_any_kind(values: Input[dict[str, Any]], anything: Input[Any]) -> None:
    assert_type(values.map(checked), Stream[dict[str, Any]])
    assert_type(values.map(checked_for, "me"), Stream[list[dict[str, Any]]])
    assert_type(values.map(Service().ask), Stream[str])
    assert_type(values.flatmap(checked_for, "me"), Stream[dict[str, Any]])
    assert_type(await values.reduce(summed, 0), int)
    assert_type(anything.map(checked), Stream[dict[str, Any]])
    assert_type(anything.map(checked_for, "me"), Stream[list[dict[str, Any]]])
    assert_type(anything.map(slow), Stream[int])
    assert_type(anything.map(len), Stream[int])
    assert_type(anything.parse(slow), Stream[int])


def operators(texts: Input[str], binary: Input[bytes]) -> None:
    assert_type(texts.map(len), Stream[int])
    assert_type(texts.map(slow), Stream[int])
    assert_type(texts.map(only_long), Stream[str])
    assert_type(texts.map(only_long_later), Stream[str])
    assert_type(texts.map(json.loads), Stream[Any])
    assert_type(texts.map(int), Stream[int])
    assert_type(texts.map(str.split), Stream[list[str]])
    assert_type(texts.map(shout, 3), Stream[str])
    assert_type(texts.map(lambda line: line.encode()), Stream[bytes])
    assert_type(texts.filter(str.isdigit).map(int), Stream[int])
    assert_type(texts.filter(slow), Stream[str])
    assert_type(texts.map(json.loads).filter(is_text), Stream[str])
    assert_type(texts.each(print), Stream[str])
    assert_type(texts.each(slow), Stream[str])
    assert_type(texts.flatmap(words), Stream[str])
    assert_type(texts.flatmap(words_later, ","), Stream[str])
    assert_type(texts.flatmap(lambda line: line.split()), Stream[str])
    assert_type(texts.batch(10), Stream[list[str]])
    assert_type(texts.batch(lambda line: line == "end\n"), Stream[list[str]])
    assert_type(texts.batch(str.startswith, "-"), Stream[list[str]])
    assert_type(texts.window(seconds=1.5), Stream[list[str]])
    assert_type(texts.window(5, count=10), Stream[list[str]])
    assert_type(texts.window(count=10), Stream[list[str]])
    assert_type(texts.sequence(cut, ""), Stream[str])
    assert_type(binary.decode("utf-8"), Stream[str])
    assert_type(binary.decode("utf-8").split("\n"), Stream[str])
    assert_type(texts.match("[a-z]+"), Stream[str])
    assert_type(texts.parse(float), Stream[float])
    assert_type(texts.use(lambda stream: stream.map(len)), Stream[int])
    assert_type(texts.pipe(Stream[str](name="copy")), Stream[str])
    assert_type(texts.name, str)


async def results(texts: Input[str], binary: Stream[bytes]) -> None:
    assert_type(await anext(texts), str)
    assert_type(await asyncio.wait_for(anext(texts), 1), str)
    assert_type(await texts.read(), str | None)
    assert_type(await texts.to_list(), list[str])
    assert_type(await texts.reduce(add, 0), int)
    assert_type(await texts.reduce(add_later, 0), int)
    assert_type(await texts.reduce(longer), str | None)
    assert_type(await binary.write_to(io.BytesIO()), io.BytesIO)
    async for line in texts:
        assert_type(line, str)
    assert_type([line async for line in texts.map(len)], list[int])


async def sources() -> None:
    assert_type(Stream.read_from([1, 2]), Stream[int])
    assert_type(Input.read_from(["a"]), Input[str])
    assert_type(Stream.read_from(io.BytesIO(b"abc"), chunk_size=2), Stream[bytes])
    stream = Stream[int]()
    await stream.write(1)
    stream.end()


async def contexts(context: Context) -> None:
    @context.on("scale")
    async def scale(message: dict[str, float]) -> float:
        return message["factor"]

    @context.on("reset")
    def reset(message: Any) -> None:
        pass

    assert_type(await scale({"factor": 2}), float)
    assert_type(reset(None), None)
    assert_type(context.on("text", str.upper)("a"), str)

    async def on_stop(timeout: float, can_keep_alive: bool) -> None:
        if can_keep_alive:
            await context.keep_alive(timeout)

    stopping = asyncio.Event()
    context.set_stop_handler(on_stop)
    context.set_stop_handler(stopping.set)
    context.add_stop_handler(lambda timeout: context.logger.info("%s s left", timeout))
    context.set_kill_handler(stopping.set)
    context.set_health_check(lambda: {"healthy": True, "lines": 5})
    context.add_monitoring_handler(lambda: True)
    context.emit("done", {"lines": 5})
    assert_type(context.config, dict[str, Any])
    assert_type(context.instance_id, str)
    assert_type(context.logger, logging.Logger)
    assert_type(context.event_source, str | None)
    assert_type(context.hub, HostClient)
