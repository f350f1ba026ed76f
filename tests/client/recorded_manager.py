"""A Manager of STH as its description has it, for tests of clients: statuses, shapes and oddities are STH's.

What it knows of Hubs it asks real ones, and what is for a Hub it hands on to it, both bodies streamed.
"""

import asyncio
import contextlib
import io
import json
import re
import tempfile
import time
import uuid
from pathlib import Path

from aiohttp import web

from transform_hub.errors import PackageError
from transform_hub.package import unpack

HOP_BY_HOP = {"connection", "content-length", "expect", "host", "keep-alive", "transfer-encoding"}
STREAM = {"Content-Type": "application/octet-stream"}
LOAD = {
    "avgLoad": 0.5, "currentLoad": 1.5, "memFree": 1024, "memUsed": 2048,
    "fsSize": [{"fs": "/", "type": "ext4", "size": 10, "used": 5, "available": 5, "use": 0.5, "mount": "/"}],
}  # fmt: skip


def op(status, value=None, error=None):
    """Answer of a get or op route: errors are told under ``error``, by default with the words of the status."""
    answer = web.json_response({} if value is None else value, status=status)
    if status >= 400:
        answer.text = json.dumps({"error": error or answer.reason})
    return answer


def thrown(status, text):
    """What becomes of an error that is thrown inside a Manager's routes."""
    return web.Response(status=500, text=f"{status}: {text}")


async def body(request):
    """JSON of an op route; its content type is needed even without a body."""
    if request.content_type != "application/json":
        raise web.HTTPBadRequest(reason="Could not parse content", text=" ")
    text = await request.text()
    return json.loads(text) if text else None


def page(request, items):
    """A page of a list; both numbers are ignored if one is out of range, and none at all gives nothing."""
    try:
        offset, limit = int(request.query.get("offset", 0)), int(request.query.get("limit", 100))
    except ValueError:
        return web.json_response([])
    if offset < 0 or not 1 <= limit <= 100:
        offset, limit = 0, 100
    return web.json_response(items[offset : offset + limit])


async def stream(request, lines, *, live=None):
    """A stream: head at once, then what is there, then what comes."""
    answer = web.StreamResponse(headers=STREAM)
    await answer.prepare(request)
    for line in lines:
        await answer.write(line)
    while live is not None:
        await answer.write(await live.get())
    return answer


class Hub:
    """What a Manager keeps of a Hub; without a URL it can't be reached."""

    def __init__(self, url=None, access_key=None, **record):
        self.url, self.access_key, self.record = url, access_key, record

    def json(self, hub_id, **more):
        info = {"created": "2024-01-01T00:00:00.000Z", "lastConnected": "2024-01-02T00:00:00.000Z"}
        return {
            "id": hub_id, "info": info, "healthy": self.url is not None, "tags": [],
            "isConnectionActive": self.url is not None, "selfHosted": self.access_key is not None,
            **self.record, **more,
        }  # fmt: skip

    def drop(self, reason):
        self.url = None
        self.record["disconnectReason"] = reason
        return reason


class Manager:
    """One Manager.

    Attributes:
        hubs: what it knows, by id; tests put real ones here.
        bucket_limit: bytes that its store takes.
    """

    def __init__(self, manager_id, session):
        self.id, self.session = manager_id, session
        self.hubs = {}
        self.store = {}
        self.bucket_limit = 1 << 20
        self.readers = {}
        self.log = [b'{"msg":"past"}\n']
        self.routes = [
            (method, re.compile(f"^{path}$"), handler)
            for method, path, handler in (
                ("GET", "/version", self.version), ("GET", "/config", self.config), ("GET", "/health", self.health),
                ("GET", "/load", self.load), ("GET", "/load-stream", self.load_stream), ("GET", "/list", self.list),
                ("GET", "/sth/([^/]+)/info", self.info), ("GET", "/sequences", self.sequences),
                ("GET", "/all_sequences", self.all_sequences), ("GET", "/instances", self.instances),
                ("GET", "/entities", self.entities), ("GET", "/topics", self.topics),
                ("GET", "/topic/([^/]+)", self.read_topic), ("POST", "/topic/([^/]+)", self.write_topic),
                ("GET", "/log", self.get_log), ("GET", "/audit", self.audit),
                ("POST", "/disconnect", self.disconnect), ("DELETE", "/sth/([^/]+)", self.delete_hub),
                ("GET", "/s3", self.store_list), ("GET", "/s3/([^/]+)", self.store_get),
                ("PUT", "/s3(?:/([^/]+))?", self.store_put), ("DELETE", "/s3/([^/]+)", self.store_delete),
                ("DELETE", "/store", self.store_clear), ("[A-Z]+", "/sth/([^/]+)(/.*)", self.proxy),
            )
        ]  # fmt: skip

    async def handle(self, request, path):
        """Answer a request whose path below the API's base is ``path``, quoted as it came."""
        for method, pattern, handler in self.routes:
            if re.fullmatch(method, request.method) and (match := pattern.match(path)):
                return await handler(request, *match.groups())
        return web.Response(status=404)

    async def version(self, request):
        return web.json_response(
            {"service": "@scramjet/manager", "apiVersion": "v1", "version": "2.0.0", "build": "source"}
        )

    async def config(self, request):
        return web.json_response({"config": {"id": self.id, "apiBase": "/api/v1", "s3": {"accessKey": "***"}}})

    async def health(self, request):
        return web.json_response({"uptime": 1.5, "timestamp": time.time() * 1000, "modules": {"sthServer": True}})

    async def load(self, request):
        return web.json_response(LOAD)

    async def load_stream(self, request):
        return await stream(request, [json.dumps(LOAD).encode() + b"\n"] * 2)

    async def list(self, request):
        return page(request, [hub.json(hub_id, **await self._ids(hub)) for hub_id, hub in self.hubs.items()])

    async def _ids(self, hub):
        if hub.url is None:
            return {"topics": [], "sequences": [], "instances": []}
        found = {kind: await self._ask(hub, f"/{kind}") for kind in ("topics", "sequences", "instances")}
        return {kind: [each.get("id") or each["topic"] for each in items] for kind, items in found.items()}

    async def _ask(self, hub, path):
        async with self.session.get(hub.url + path) as answer:
            return await answer.json()

    async def _everywhere(self, path):
        for hub_id, hub in self.hubs.items():
            if hub.url is not None:
                for item in await self._ask(hub, path):
                    yield hub_id, item

    async def info(self, request, hub_id):
        if hub_id not in self.hubs:
            return thrown(404, "Not found")
        return web.json_response(self.hubs[hub_id].json(hub_id))

    async def sequences(self, request):
        return web.json_response([item["id"] async for _, item in self._everywhere("/sequences")])

    async def all_sequences(self, request):
        stored = [
            {"id": each["id"], "config": each, "location": "store", "instances": []} for each in self.store.values()
        ]
        hubs = [{**item, "location": hub_id} async for hub_id, item in self._everywhere("/sequences")]
        return page(request, stored + hubs)

    async def instances(self, request):
        found = [
            {**item, "hubId": hub_id, "location": hub_id, "sequenceId": item["sequence"]["id"]}
            async for hub_id, item in self._everywhere("/instances")
        ]
        return page(request, found)

    async def entities(self, request):
        sequences = [each["id"] for each in self.store.values()]
        sequences += [item["id"] async for _, item in self._everywhere("/sequences")]
        instances = [item["id"] async for _, item in self._everywhere("/instances")]
        hubs, topics = list(self.hubs), list(self.readers)
        return web.json_response(
            {"hubs": hubs, "topics": topics, "sequences": sequences[:100], "instances": instances[:100]}
        )

    async def topics(self, request):
        actor = {"role": "consumer", "type": "api", "stream": True, "retired": False}
        return web.json_response(
            [
                {"name": name, "contentType": "", "actors": [actor] * len(readers)}
                for name, readers in self.readers.items()
            ]
        )

    async def read_topic(self, request, name):
        queue = asyncio.Queue(1)
        self.readers.setdefault(name, []).append(queue)
        try:
            return await stream(request, [], live=queue)
        finally:
            self.readers[name].remove(queue)

    async def write_topic(self, request, name):
        answer = web.StreamResponse(status=200 if request.headers.get("x-end-stream") == "true" else 202)
        await answer.prepare(request)  # the head goes out before the body is read
        async for chunk in request.content.iter_any():
            for queue in self.readers.get(name, []):
                await queue.put(chunk)
        return answer

    async def get_log(self, request):
        return await stream(request, [*self.log, b'sth-0: {"msg":"of a hub"}\n'], live=asyncio.Queue())

    async def audit(self, request):
        record = {"opCode": 13020, "opState": "ACTIVE", "objectId": self.id, "requestorId": "system"}
        return await stream(request, [json.dumps(record).encode() + b"\n"])

    async def disconnect(self, request):
        wanted = await body(request)
        if not wanted:
            return op(400, error="Received empty request body")
        hosted = {hub_id: hub for hub_id, hub in self.hubs.items() if hub.access_key and hub.url}
        gone = []
        if (hub_id := wanted.get("id")) is not None:
            if hub_id not in self.hubs:
                return op(404, error="Couldn't find STH with a given ID")
            if self.hubs[hub_id].access_key is None:
                return op(400, error="Unable to disconnect native hub")
            gone += [(each, "id_drop") for each in hosted if each == hub_id]
        if (key := wanted.get("accessKey")) is not None:
            with_key = [each for each, hub in hosted.items() if hub.access_key == key]
            if not with_key:
                return op(404, error="Couldn't find any STH connected with that Access Key")
            gone += [(each, "key_revoked") for each in with_key]
        if (limit := wanted.get("limit")) is not None:
            gone += [(each, "limit_exceeded") for each in list(hosted)[limit:]]
        told = [{"sthId": each, "reason": self.hubs[each].drop(reason)} for each, reason in gone]
        return op(202, {"managerId": self.id, "disconnected": told})

    async def delete_hub(self, request, hub_id):
        await body(request)
        hub = self.hubs.get(hub_id)
        if hub is None:
            return op(404, error="STH with a given ID was not found")
        if hub.access_key is None:
            return op(400, error="Unable to delete native hub")
        if hub.url is not None and request.headers.get("x-force") != "true":
            return op(409, error="Cannot delete selected hub as it is still connected")
        del self.hubs[hub_id]
        return op(202)

    async def store_list(self, request):
        return web.json_response([{**item, "sequenceDir": ""} for item in self.store.values()])

    async def store_put(self, request, name):
        data = await request.read()
        if len(data) > self.bucket_limit:
            return web.json_response({}, status=507)
        with tempfile.TemporaryDirectory() as folder:
            try:
                package = unpack(io.BytesIO(data), Path(folder) / "package")
            except PackageError:
                return web.json_response({}, status=422)
        item_id = str(uuid.uuid4())
        config = {
            "id": item_id, "name": package.name or "", "version": package.version or "", "engines": package.engines,
            "entrypointPath": package.main, "packageSize": len(data),
        }  # fmt: skip
        filename = name or f"{item_id}.tar.gz"
        self.store[filename] = {**config, "_filename": filename, "_fileId": item_id, "data": data.hex()}
        return web.json_response({**config, "etag": '"e"', "versionId": "v"}, status=202)

    async def store_get(self, request, name):
        if name not in self.store:
            return thrown(404, "Not found")
        return await stream(request, [bytes.fromhex(self.store[name]["data"])])

    async def store_delete(self, request, name):
        await body(request)
        if self.store.pop(name, None) is None:
            return op(404)
        return op(202, {"id": name})

    async def store_clear(self, request):
        await body(request)
        self.store.clear()
        return op(202)

    async def proxy(self, request, hub_id, path):
        hub = self.hubs.get(hub_id)
        if hub is None or hub.url is None:
            return web.Response(status=404 if hub is None else 503)
        if path.endswith(("/inout", "/platform")):
            return web.json_response({"error": "unsupported-bidirectional"}, status=501)
        if not path.startswith("/api/v"):
            path = f"/api/v1{path}"
        query = f"?{request.query_string}" if request.query_string else ""
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        headers.pop("Authorization", None)
        async with self.session.request(
            request.method,
            hub.url.removesuffix("/api/v1") + path + query,
            headers=headers,
            data=request.content if request.can_read_body else None,
        ) as found:
            return await self._hand_back(request, found)

    async def _hand_back(self, request, found):
        headers = {name: value for name, value in found.headers.items() if name.lower() not in HOP_BY_HOP}
        answer = web.StreamResponse(status=found.status, reason=found.reason, headers=headers)
        await answer.prepare(request)
        with contextlib.suppress(ConnectionResetError):
            async for chunk in found.content.iter_any():
                await answer.write(chunk)
        return answer
