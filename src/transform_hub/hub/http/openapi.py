"""The OpenAPI document of a Hub, made from its routes, their declarations and the models."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import hdrs, web

from transform_hub.hub.http.route import Content, Route, route_of
from transform_hub.models import AuditRecord, LogEntry

Json = dict[str, Any]

REF = "#/components/schemas/{name}"
ANY_METHOD = (hdrs.METH_GET, hdrs.METH_POST, hdrs.METH_PUT, hdrs.METH_DELETE)
"""What a route of any method is documented with."""

ALWAYS_REFUSES = (400, 401, 403)
"""A malformed request, one without a token, one whose token does not allow it."""

OF_LINES = (AuditRecord, LogEntry)
"""The lines of streams: no route has them as its body."""


class Refusal(msgspec.Struct):
    """The body of every error: what was wrong, in words or as STH says it."""

    error: str | dict[str, Any]


def document(app: web.Application, *, version: str) -> Json:
    """The OpenAPI document of an application's routes.

    Args:
        app: has the routes.
        version: of the API.
    """
    operations = list(_operations(app))
    bodies = [body for _, _, route in operations for body in (route.body, route.answer)]
    types = [body for body in bodies if body is not None and not isinstance(body, Content)]
    _, schemas = msgspec.json.schema_components((Refusal, *OF_LINES, *types), ref_template=REF)
    paths: dict[str, Json] = {}
    for method, path, route in operations:
        item = paths.setdefault(path, {"parameters": [{"$ref": "#/components/parameters/RequestId"}]})
        item[method.lower()] = _operation(method, path, route)
    _make_ids_unique(paths)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Scramjet Transform Hub",
            "version": version,
            "description": "The REST API v1 of a Transform Hub.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"token": []}],
        "tags": [{"name": noun} for noun in dict.fromkeys(route.noun for _, _, route in operations)],
        "paths": paths,
        "components": {
            "schemas": {name: _in_markdown(schema) for name, schema in schemas.items()},
            "parameters": {"RequestId": _REQUEST_ID},
            "securitySchemes": {"token": _TOKEN},
        },
    }


def _operations(app: web.Application) -> Iterator[tuple[str, str, Route]]:
    """Method, path and declaration of each."""
    for served in app.router.routes():
        route = route_of(served.handler)
        if route is None or served.resource is None or served.method == hdrs.METH_HEAD:  # each GET has one
            continue
        for method in ANY_METHOD if served.method == hdrs.METH_ANY else (served.method,):
            yield method, served.resource.canonical, route


def _operation(method: str, path: str, route: Route) -> Json:
    summary, description = route.text
    described: Json = {"operationId": route.name, "tags": [route.noun], "summary": summary}
    if description:
        described["description"] = description
    if parameters := [*_path_parameters(path, route), *_other_parameters(route)]:
        described["parameters"] = parameters
    if route.body is not None:
        described["requestBody"] = {"content": _content(route.body), "required": route.body_required}
    described["responses"] = _responses(method, route)
    described["x-scope"] = route.scope.value if route.scope else "none"
    if route.is_endless:
        described["x-endless"] = True
    return described


def _path_parameters(path: str, route: Route) -> Iterator[Json]:
    for name in re.findall(r"{(\w+)}", path):
        schema: Json = {"type": "string", "minLength": 1}
        if name in route.choices:
            schema["enum"] = route.choices[name]
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _other_parameters(route: Route) -> Iterator[Json]:
    for each in route.query:
        yield {"name": each.name, "in": "query", "description": each.description, "schema": each.schema}
    for header in route.headers:
        yield {"name": header.name, "in": "header", "description": header.description, "schema": {"type": "string"}}


def _responses(method: str, route: Route) -> Json:
    responses: Json = {}
    if route.answer is not None:
        responses[str(route.status)] = {"description": _meaning(route), **_body(route.answer)}
        for status, why in route.other_statuses.items():
            responses[str(status)] = {"description": why, **_body(route.answer)}
    refuses = {*ALWAYS_REFUSES, *route.refuses}
    if method == hdrs.METH_GET or isinstance(route.body, Content):
        refuses.add(415)
    for status in sorted(refuses):
        responses[str(status)] = {"description": _phrase(status), **_body(Refusal)}
    return responses


def _meaning(route: Route) -> str:
    return route.answer.description if isinstance(route.answer, Content) else _phrase(route.status)


def _phrase(status: int) -> str:
    return "Insufficient Space on Resource" if status == 419 else HTTPStatus(status).phrase  # STH's status


def _body(body: Any) -> Json:
    return {"content": content} if (content := _content(body)) else {}


def _content(body: Any) -> Json:
    if isinstance(body, Content):
        return {media_type: {"schema": {}} for media_type in body.media_types}  # in 3.1 bytes are a schema without type
    schema = msgspec.json.schema_components((body,), ref_template=REF)[0][0]
    return {"application/json": {"schema": schema}}


def _make_ids_unique(paths: dict[str, Json]) -> None:
    seen: dict[str, int] = {}
    for item in paths.values():
        for described in item.values():
            if isinstance(described, dict):
                name = described["operationId"]
                seen[name] = seen.get(name, 0) + 1
                if seen[name] > 1:
                    described["operationId"] = f"{name}_{seen[name]}"


def _in_markdown(schema: Json) -> Json:
    """A schema with its description in Markdown instead of the syntax of docstrings."""
    if "description" not in schema:
        return schema
    text = re.sub(r":\w+:`([^`]+)`", r"`\1`", inspect.cleandoc(schema["description"])).replace("``", "`")
    return {**schema, "description": text}


_REQUEST_ID: Json = {
    "name": "X-Request-Id",
    "in": "header",
    "description": "Comes back in the answer, and stands in the audit and in the log.",
    "schema": {"type": "string"},
}

_TOKEN: Json = {
    "type": "http",
    "scheme": "bearer",
    "description": "Where the Hub has tokens: one that is good for the `x-scope` of the operation.",
}
