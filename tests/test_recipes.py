"""The recipes of docs/architecture.md work as they stand there, and what it names is there."""

import asyncio
import json
import re
import sys
import types
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import pytest
import typer
from aiohttp import web

from transform_hub.cli import connection, output, si
from transform_hub.cli.command import App
from transform_hub.client.host import HostClient
from transform_hub.hub.access.auth import Scope
from transform_hub.hub.errors import ApiError
from transform_hub.hub.http import app
from transform_hub.hub.http.json import json_response
from transform_hub.hub.http.parts import PARTS
from transform_hub.hub.http.route import route
from transform_hub.hub.http.routes import instances
from transform_hub.hub.runtimes.runtime import Exit
from transform_hub.hub.server import serve
from transform_hub.hub.topics.local import LocalTopic
from transform_hub.models.rules import NDJSON

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "architecture.md").read_text()
ECHO = "async def run(context, input):\n    async for line in input:\n        yield line\n"


def recipe(title):
    """The names that the code of a recipe defines."""
    code = re.search(rf"### {title}\n.*?```python\n(.*?)```", TEXT, re.DOTALL)[1]
    names = {
        "asyncio": asyncio, "json": json, "sys": sys, "Any": Any, "Annotated": Annotated, "typer": typer, "web": web,
        "App": App, "show": output.show, "with_hub": connection.with_hub, "HostClient": HostClient, "Scope": Scope,
        "ApiError": ApiError, "json_response": json_response, "PARTS": PARTS, "route": route, "Exit": Exit,
        "LocalTopic": LocalTopic, "__name__": instances.__name__,
    }  # fmt: skip
    exec(code, names)
    return names


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as session:
        yield session


async def test_a_route(monkeypatch, tmp_path, session, package, api_of):
    monkeypatch.setattr(app, "ROUTES", [*app.ROUTES, recipe("Add a route")["get_age"]])
    async with serve(data_dir=tmp_path) as hub:
        api = api_of(hub, session)
        instance = await api.start(await api.send(package(ECHO)))
        assert (await api.get(f"{instance}/age")).json == {"created": (await api.get(instance)).json["created"]}
        assert (await api.get("/instance/none/age")).status == 404
        described = (await api.get("/openapi.json")).json["paths"]["/api/v1/instance/{id}/age"]["get"]
        assert described["summary"] == "When an Instance was created."


async def test_a_runtime(tmp_path, session, package, api_of):
    async with serve(data_dir=tmp_path, runtime=recipe("Add a runtime")["Elsewhere"]()) as hub:
        api = api_of(hub, session)
        instance = await api.start(await api.send(package(ECHO)))
        await api.input(instance, b"there and back\n")
        assert await api.read(f"{instance}/output") == b"there and back\n"
        assert (await api.ended(instance))["terminated"]["exitcode"] == 0


async def test_a_command(monkeypatch, tmp_path, session, package, api_of, capsys):
    module = types.ModuleType("transform_hub.cli.age")
    module.app = recipe("Add a command to si")["app"]
    monkeypatch.setitem(sys.modules, "transform_hub.cli.age", module)
    monkeypatch.setitem(si.Root.lazy, "age", ("transform_hub.cli.age", "Ages of Instances."))
    async with serve(data_dir=tmp_path) as hub:
        monkeypatch.setenv("SCRAMJET_HUB_URL", hub.url)
        api = api_of(hub, session)
        path = await api.start(await api.send(package(ECHO)))
        command = typer.main.get_command(si.app)
        arguments = ["age", path.rpartition("/")[2]]
        await asyncio.to_thread(command.main, arguments, standalone_mode=False)
        assert json.loads(capsys.readouterr().out) == (await api.get(path)).json["created"]


async def test_a_bus(tmp_path, session, api_of):
    async with serve(data_dir=tmp_path, topics=recipe("Add a bus of topics")["Named"]()) as hub:
        api = api_of(hub, session)
        assert (await api.post("/topic/t", b"1\n", content_type=NDJSON)).status == 200
        assert [topic["topic"] for topic in (await api.get("/topics")).json] == ["t"]
        async with session.get(f"{api.url}/topic/t") as reader:
            assert await reader.content.readline() == b"1\n"
        assert (await api.call("DELETE", "/topics/t")).status == 200


def test_the_files_that_are_named_are_there():
    source = ROOT / "src/transform_hub"
    sources = {path.relative_to(source).as_posix() for path in source.rglob("*.py")}
    named = set(re.findall(r"`((?:\w+/)+\w+\.py)", TEXT))
    assert len(named) > 15
    for name in named:
        assert (ROOT / name).exists() or name in sources or f"hub/{name}" in sources, name


def test_the_functions_on_the_way_are_there():
    rows = re.findall(r"`([\w/]+\.py): ([\w.]+)`", TEXT)
    assert len(rows) > 12
    for path, name in rows:
        base = ROOT / "src/transform_hub"
        source = next(base / each for each in (path, f"hub/{path}") if (base / each).exists()).read_text()
        for part in name.split("."):
            assert re.search(rf"(def|class) {part}\b", source), f"{path}: {name}"
