"""Sequences of a few lines of source, started for real."""

import json

import psutil
import pytest


@pytest.fixture
def launch(api, package):
    """Starts an Instance: ``await launch("def run(context, input): ...", args=[1])``; its path."""

    async def start(source="", *, files=None, main="main.py", **request):
        return await api.start(await api.send(package(source, files=files, main=main)), **request)

    return start


@pytest.fixture
def result(api, launch):
    """The output and the info of a Sequence that ends by itself, e.g. given some input."""

    async def run(source, data=None, content_type="text/plain", **options):
        instance = await launch(source, **options)
        if data is not None:
            await api.input(instance, data, content_type)
        output = await api.read(f"{instance}/output")
        return output, await api.ended(instance)

    return run


@pytest.fixture
def log(api):
    """The entries of an ended Instance's log that are the Sequence's own."""

    async def read(instance):
        entries = [json.loads(line) for line in (await api.read(f"{instance}/log")).splitlines()]
        return [entry for entry in entries if entry["from"] != "Hub"]

    return read


@pytest.fixture
def process(api):
    """The runner process of an Instance."""

    async def find(instance):
        return psutil.Process((await api.get(f"{instance}/health")).json["processId"])

    return find


@pytest.fixture
def held_back(api):
    """Waits until an Instance is held back because nobody reads a stream of it."""

    async def wait(instance, stream):
        async with api.session.get(f"{api.url}{instance}/log") as response:
            async for line in response.content:
                if f"{stream} is full and nobody reads it" in json.loads(line)["msg"]:
                    return

    return wait
