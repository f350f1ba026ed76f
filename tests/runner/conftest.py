"""Sequences of a few lines of source, started for real."""

import asyncio
import json
import shutil

import psutil
import pytest


@pytest.fixture
def launch(api, package):
    """Starts an Instance: ``await launch("def run(context, input): ...", args=[1])``; its path."""

    async def start(source="", *, files=None, main="main.py", **request):
        return await api.start(await api.send(package(source, files=files, main=main)), **request)

    return start


@pytest.fixture
def loading(launch, api, tmp_path):
    """Starts an Instance that is loaded for as long as nobody calls what comes with its path."""
    go = tmp_path / "go"

    async def start(source):
        wait = f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)\n"
        instance = f"/instance/{'i' * 36}"
        starting = asyncio.ensure_future(launch(wait + source, instanceId="i" * 36))
        await api.answers(instance, 200)
        await api.status(instance, "starting")

        async def finish():
            go.touch()
            await starting

        return instance, finish

    return start


@pytest.fixture
def launch_js(api, package):
    """Starts an Instance of a JavaScript Sequence: ``await launch_js("module.exports = input => input")``."""
    if shutil.which("node") is None:
        pytest.skip("JavaScript Sequences need Node.js on PATH")

    async def start(source="", *, files=None, main="main.js", fields=None, **request):
        fields = {"engines": {"node": ">=18"}, "main": main, **(fields or {})}
        archive = package(files={main: source, **(files or {})}, **fields)
        return await api.start(await api.send(archive), **request)

    return start


def until_its_end(api, launch):
    async def run(source, data=None, content_type="text/plain", **options):
        instance = await launch(source, **options)
        if data is not None:
            await api.input(instance, data, content_type)
        output = await api.read(f"{instance}/output")
        return output, await api.ended(instance)

    return run


@pytest.fixture
def js(api, launch_js):
    """The output and the info of a JavaScript Sequence that ends by itself, e.g. given some input."""
    return until_its_end(api, launch_js)


@pytest.fixture
def result(api, launch):
    """The output and the info of a Sequence that ends by itself, e.g. given some input."""
    return until_its_end(api, launch)


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
def endless_grace(monkeypatch):
    """The Hub kills no runner from outside: its control thread has to end it."""
    monkeypatch.setattr("transform_hub.hub.instances.run.KILL_GRACE", 1000)


@pytest.fixture
def held_back(api):
    """Waits until an Instance is held back because nobody reads a stream of it."""

    async def wait(instance, stream):
        async with api.session.get(f"{api.url}{instance}/log") as response:
            async for line in response.content:
                if f"{stream} is full and nobody reads it" in json.loads(line)["msg"]:
                    return

    return wait
