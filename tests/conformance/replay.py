"""Recorded exchanges with STH: sends their requests to a Hub and compares what comes back.

    {"name": "start-1",
     "prepare": [{"send": <package>, "as": <id>}, {"start": <id>, "as": <id>, "body": {}}],
     "until": "ended <id>",                                what to wait for before; or "gone <id>",
                                                           "reported <id> <key of health>", "event <id> <text>"
     "method": ..., "path": "/sequence/{echo}/start",      {...} stands for an id that an answer gave
     "headers": {}, "body": "..." | "package": ..., "chunked": true,
     "then": [...],                                        requests to send while this one is served
     "answer": {"status": 200, "type": "application/json", "reason": ..., "headers": {},
                "shape": {"id": "string"},                 of the JSON body
                "text": ..., "line": {...}, "text_end": ..., "endless": true,     of a stream
                "id": <id>}}                               what to remember the id in the answer as

``answer`` is null where STH never answered. Values in JSON are not compared, their keys and types are.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import re
from typing import Any

import aiohttp
from packages import package
from yarl import URL

from transform_hub.hub.http.app import op_code
from transform_hub.hub.server import Hub
from until import until

Exchange = dict[str, Any]

ASPECTS = ("status", "type", "keys", "data")
PATIENCE = 15.0
"""Seconds after which a Hub is taken not to answer."""
BRIEFLY = 0.5
"""The same where STH did not answer."""

_TYPES = {bool: "boolean", int: "number", float: "number", str: "string", type(None): "null"}
_OPAQUE = {"engines", "repository", "appConfig", "args"}
"""Fields whose content is the user's."""


@dataclasses.dataclass
class Observed:
    """What a Hub answered; no status if it did not."""

    status: int | None = None
    reason: str = ""
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = b""


@dataclasses.dataclass
class Result:
    """One exchange, and how the Hub's answer differs from the recorded one: ``<aspect>: <change>``."""

    name: str
    route: str
    changes: list[str]


class Replay:
    """Replays exchanges against one Hub, in order.

    Args:
        hub: the Hub.
        session: sends the requests.
        javascript: play the Sequences that were in JavaScript by such, else all of them by Python ones.
    """

    def __init__(self, hub: Hub, session: aiohttp.ClientSession, *, javascript: bool = False) -> None:
        self._javascript = javascript
        self.ids: dict[str, str] = {}
        self._hub = hub
        self._session = session

    async def play(self, exchange: Exchange) -> Result:
        """Replay one exchange."""
        for step in exchange.get("prepare", ()):
            await self._prepare(step)
        if "until" in exchange:
            await self._until(*exchange["until"].split())
        recorded = exchange["answer"]
        observed = await self._exchange(exchange, recorded or {})
        if recorded and "id" in recorded:
            await self._remember(recorded["id"], exchange, observed)
        route = route_of(exchange["method"], exchange["path"])
        return Result(exchange["name"], route, changes(recorded, observed))

    async def _prepare(self, step: dict[str, Any]) -> None:
        if "send" in step:
            request = {"method": "POST", "path": "/sequence", "package": step["send"]}
        else:
            headers = {"content-type": "application/json"}
            path = f"/sequence/{{{step['start']}}}/start"
            request = {"method": "POST", "path": path, "headers": headers, "body": json.dumps(step["body"])}
        answer = await self._exchange(request, {})
        assert answer.status == 200, answer
        self.ids[step["as"]] = json.loads(answer.body)["id"]

    async def _until(self, state: str, name: str, text: str = "") -> None:
        async def reached() -> bool:
            if (instance := self._hub.instances.get(self.ids[name])) is None:
                return True
            if state == "reported":
                return text in await instance.health()
            if state == "event":
                return text in await self._last_event(name)
            return state == "ended" and instance.ended.is_set()

        await until(reached)

    async def _last_event(self, name: str) -> str:
        request = {"method": "GET", "path": f"/instance/{{{name}}}/event/pong-you"}
        return (await self._exchange(request, {})).body.decode()

    async def _remember(self, name: str, exchange: Exchange, observed: Observed) -> None:
        if observed.status == 200:
            self.ids[name] = json.loads(observed.body)["id"]
        else:  # refused here: what follows needs an Instance nevertheless
            sequence = re.findall(r"\{(.*?)\}", exchange["path"])[0]
            await self._prepare({"start": sequence, "as": name, "body": {}})

    def _url(self, path: str) -> URL:
        if path == "//root":
            return URL(self._hub.url).with_path("/")
        path = re.sub(r"\{(.*?)\}", lambda match: self.ids[match[1]], path)
        return URL(self._hub.url + path, encoded=True)

    async def _exchange(self, exchange: Exchange, recorded: dict[str, Any]) -> Observed:
        observed = Observed()
        patience = PATIENCE if recorded or "answer" not in exchange else BRIEFLY
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._send(exchange, recorded, observed), patience)
        return observed

    async def _send(self, exchange: Exchange, recorded: dict[str, Any], observed: Observed) -> None:
        data: Any = exchange.get("body", "").encode() or None
        if "package" in exchange:
            data = package(exchange["package"], javascript=self._javascript)
        if exchange.get("chunked"):
            data = _chunks(data)
        during = asyncio.create_task(self._during(exchange))
        try:
            async with self._session.request(
                exchange["method"],
                self._url(exchange["path"]),
                headers=exchange.get("headers"),
                data=data,
                skip_auto_headers=["Content-Type"],
            ) as response:
                observed.status, observed.reason = response.status, response.reason or ""
                observed.headers = {name.lower(): value for name, value in response.headers.items()}
                await _read(response, recorded, observed)
        finally:
            await during
        code = op_code(exchange["method"], exchange["path"])
        if recorded.get("endless"):  # until the Hub knows that this reader has left
            await until(lambda: not self._is_served(code))

    def _is_served(self, code: int | None) -> bool:
        return any(request.record.op_code == code for request in self._hub.audit._open)

    async def _during(self, exchange: Exchange) -> None:
        """Send what is to be sent while the Hub serves another request."""
        if "then" not in exchange:
            return
        code = op_code(exchange["method"], exchange["path"])
        await until(lambda: self._is_served(code))
        for request in exchange["then"]:
            answer = await self._exchange(request, {})
            assert answer.status == 200, answer


async def _chunks(data: bytes) -> Any:
    yield data


async def _read(response: aiohttp.ClientResponse, recorded: dict[str, Any], observed: Observed) -> None:
    """Read the body; of an endless one as much as was recorded."""
    endless = recorded.get("endless") and response.status == recorded["status"]
    while not (endless and _has_enough(recorded, observed.body)):
        chunk = await response.content.readany()
        if not chunk:
            return
        observed.body += chunk
    response.close()


def _has_enough(recorded: dict[str, Any], body: bytes) -> bool:
    if "line" in recorded:
        return b"\n" in body
    return len(body) >= len(recorded.get("text", "").encode())


def route_of(method: str, path: str) -> str:
    """The route that a recorded path belongs to."""
    parts = path.partition("?")[0].rstrip("/").split("/")[1:]
    if parts[0] in ("sequence", "instance", "topic", "topics") and len(parts) > 1:
        parts[1] = ":topic" if parts[0].startswith("topic") else ":id"
    if len(parts) > 3:
        parts[3] = ":name"
    if parts[0] == "cpm":
        parts[1:] = ["..."]
    return f"{method} /{'/'.join(parts)}"


def changes(recorded: dict[str, Any] | None, observed: Observed) -> list[str]:
    """How an answer differs from the recorded one, as ``<aspect>: <change>``."""
    if recorded is None or observed.status is None:
        return _changed("status", recorded and recorded["status"], observed.status)
    return [
        *_status(recorded, observed),
        *_changed("type", recorded["type"], observed.headers.get("content-type")),
        *(f"keys: {change}" for change in _keys(recorded, observed)),
        *_data(recorded, observed),
    ]


def _changed(aspect: str, before: Any, now: Any) -> list[str]:
    return [] if before == now else [f"{aspect}: {before} -> {now}"]


def _status(recorded: dict[str, Any], observed: Observed) -> list[str]:
    found = _changed("status", recorded["status"], observed.status)
    if not found and "reason" in recorded:
        found += _changed("status", recorded["reason"], observed.reason)
    for name, value in recorded.get("headers", {}).items():
        found += _changed("status", value, observed.headers.get(name))
    return found


def _keys(recorded: dict[str, Any], observed: Observed) -> list[str]:
    body = observed.body.split(b"\n")[0] if "line" in recorded else observed.body
    try:
        actual = shape(json.loads(body))
    except ValueError:
        actual = None
    if "text" in recorded or "text_end" in recorded:  # what looks like JSON in a stream is data
        actual = actual if isinstance(actual, dict) and "error" in actual else None
    return _compare(recorded.get("shape", recorded.get("line")), actual, "")


def _data(recorded: dict[str, Any], observed: Observed) -> list[str]:
    if recorded["status"] != observed.status or recorded["type"] != "application/octet-stream":
        return []
    text = observed.body.decode()
    if "text_end" in recorded:
        return [] if text.rstrip("\n").endswith(recorded["text_end"]) else [f"data: {text!r}"]
    if "text" not in recorded:
        return []
    expected = recorded["text"].rstrip("\n")
    same = text.startswith(expected) if recorded.get("endless") else text.rstrip("\n") == expected
    return [] if same else [f"data: {expected!r} -> {text!r}"]


def shape(value: Any) -> Any:
    """The keys and types of a JSON value; of a list those of its first item."""
    if isinstance(value, dict):
        return {
            key: ("array" if isinstance(item, list) else "object" if isinstance(item, dict) else shape(item))
            if key in _OPAQUE
            else shape(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return _TYPES[type(value)]


def _compare(expected: Any, actual: Any, where: str) -> list[str]:
    if isinstance(expected, dict) and isinstance(actual, dict):
        found = [f"-{where}{key}" for key in expected if key not in actual]
        found += [f"+{where}{key}" for key in actual if key not in expected]
        for key in expected.keys() & actual.keys():
            found += _compare(expected[key], actual[key], f"{where}{key}.")
        return sorted(found)
    if isinstance(expected, list) and isinstance(actual, list):
        return _compare(expected[0], actual[0], where) if expected and actual else []
    return [] if expected == actual else [f"{where.rstrip('.') or 'body'}: {_brief(expected)} -> {_brief(actual)}"]


def _brief(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(value) + "}"
    return "empty" if value is None else str(value)
