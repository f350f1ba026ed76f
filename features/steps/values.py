"""What steps have in common: values in their words, and what is done with them."""

import json

import parse
from behave import register_type

from transform_hub.errors import HubResponseError


@parse.with_pattern(r"python|javascript")
def language(text):
    return text


@parse.with_pattern(r"[\[{\d].*")
def json_value(text):
    return json.loads(text)


@parse.with_pattern(r"\S+/\S+")
def content_type(text):
    return text


register_type(Language=language, Json=json_value, Type=content_type)


def lines(text):
    """A step's text as a file would have it."""
    return f"{text}\n"


def values(text):
    """A step's text as JSON values, one a line."""
    return [json.loads(line) for line in text.splitlines()]


async def first(items, count):
    """The first items of a stream, which is closed then."""
    taken = [await anext(items) for _ in range(count)]
    await items.aclose()
    return taken


async def until(reader, is_wanted):
    """Read JSON values until there is one that is wanted."""
    async with reader:
        async for line in reader.lines():
            if is_wanted(json.loads(line)):
                return
    raise AssertionError("it ended without")


def fails(context, awaitable, status):
    """Make sure that the Hub refuses it with a status."""
    told = None
    try:
        context.run(awaitable)
    except HubResponseError as error:
        told = error.status
    assert told == status, told


def example(context, name, language):
    """Directory of a reference Sequence."""
    return context.root / "examples" / "sequences" / name / language
