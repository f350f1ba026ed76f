"""Middleware and MultiManager as their descriptions have them, in front of the Managers of ``recorded_manager``.

/api/v1                         Middleware; wants a token
/api/v1/space/:id/api/v1/...    a Manager behind it
/multi/api/v1                   MultiManager
/multi/api/v1/cpm/:id/api/v1/...
"""

import json
import re
import uuid

import aiohttp
from aiohttp import web
from recorded_manager import LOAD, Manager, body, op, stream

TOKEN = "t0ken"


class Platform:
    """The server; an async context manager.

    Attributes:
        managers: the Managers, by id.
        keys: access keys, by Space.
        connections: where requests came from: one port for each connection.
        requests: method and path of each request.
    """

    def __init__(self):
        self.managers = {}
        self.keys = {}
        self.connections = set()
        self.requests = []
        self.url = self.multi_url = ""

    async def __aenter__(self):
        self.session = aiohttp.ClientSession(
            auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None), connector=aiohttp.TCPConnector(limit=0)
        )
        self.runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        origin = f"http://127.0.0.1:{self.runner.addresses[0][1]}"
        self.url, self.multi_url = f"{origin}/api/v1", f"{origin}/multi/api/v1"
        return self

    async def __aexit__(self, *_):
        await self.session.close()
        await self.runner.cleanup()

    def manager(self, manager_id):
        return self.managers.setdefault(manager_id, Manager(manager_id, self.session))

    async def _handle(self, request):
        self.connections.add(request.transport.get_extra_info("peername")[1])
        path = request.rel_url.raw_path
        self.requests.append((request.method, path))
        if path.startswith("/multi/api/v1"):
            await go_on(request)
            return await self._multi_manager(request, path.removeprefix("/multi/api/v1"))
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"error": "Unauthorized"}, status=401)
        await go_on(request)
        return await self._middleware(request, path.removeprefix("/api/v1"))

    async def _middleware(self, request, path):
        if match := re.match(r"/space/([^/]+)/apikey$", path):
            return await self._keys(request, self.keys.setdefault(match[1], {}))
        if match := re.match(r"/space/([^/]+)/api/v1(/.*)", path):
            return await self._manager(request, *match.groups())
        if path == "/spaces":
            return web.json_response([{"id": each} for each in self.managers])
        if path == "/version":
            return web.json_response({"service": "middleware", "components": {"manager": "1.0"}})
        if path == "/audit":
            return await stream(request, [b'{"opCode":10100,"objectId":"x","requestorId":"me"}\n'])
        return web.Response(status=404)

    async def _manager(self, request, manager_id, path):
        if manager_id not in self.managers:
            return web.Response(status=404)
        return await self.managers[manager_id].handle(request, path)

    async def _keys(self, request, keys):
        if request.method == "GET":
            return web.json_response({"accessKeys": list(keys.values())})
        given = await body(request)
        if request.method == "POST":
            key_id, key = uuid.uuid4().hex, uuid.uuid4().hex
            keys[key_id] = {"id": key_id, "created": 1700000000000, "description": (given or {}).get("description", "")}
            return op(202, {"apiKey": key, "id": key_id})
        if request.headers.get("x-revoke-all") == "true":
            count = len(keys)
            keys.clear()
            return op(200, {"message": "All keys revoked", "keysRevoked": count})
        if keys.pop(request.headers.get("x-revoke"), None) is None:
            return op(404, error="No such key")
        return op(200, {"message": "Key revoked"})

    async def _multi_manager(self, request, path):
        if match := re.match(r"/cpm/([^/]+)/stop$", path):
            await body(request)
            return op(200, {"id": match[1]}) if self.managers.pop(match[1], None) else op(404)
        if match := re.match(r"/cpm/([^/]+)/api/v1(/.*)", path):
            return await self._manager(request, *match.groups())
        return await self._multi_manager_itself(request, path)

    async def _multi_manager_itself(self, request, path):
        answers = {
            "/version": {"service": "@scramjet/multi-manager", "apiVersion": "v1", "version": "2.0.0", "build": "x"},
            "/info": {"apiBase": "/api/v1", "apiPort": 11000, "id": "mm", "managersCount": len(self.managers)},
            "/list": [{"id": each} for each in self.managers],
            "/load-check": LOAD,
            "/health": {"uptime": 1, "timestamp": 1700000000000, "modules": {}},
        }
        if path == "/start":
            return await self._start(request)
        if path in answers:
            return web.json_response(answers[path])
        if path in {"/log", "/audit"}:
            return await stream(request, [json.dumps({"mId": "m", "opCode": 13020}).encode() + b"\n"])
        return web.Response(status=404)

    async def _start(self, request):
        config = (await body(request))["manager"]
        manager_id = config.get("id") or uuid.uuid4().hex
        if manager_id in self.managers:
            return op(409, error="Manager with this ID already exists")
        if config.get("overloaded"):
            return web.json_response({"error": "Insufficient Space on Resource"}, status=419, reason="Overloaded")
        self.manager(manager_id)
        return op(202, {"id": manager_id})


async def go_on(request):
    """Ask for the body, as soon as it is clear that the request is allowed."""
    if request.headers.get("Expect"):
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the head of the answer is still to come
