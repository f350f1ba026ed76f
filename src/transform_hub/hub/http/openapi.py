"""The OpenAPI document of a Hub, made from its routes, their declarations and the models."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import hdrs, web

from transform_hub.hub.http.exchange import scope_of
from transform_hub.hub.http.operation import Content, Operation, name_of, operation_of
from transform_hub.models import AuditRecord, LogEntry

Json = dict[str, Any]

REF = "#/components/schemas/{name}"
ANY_METHOD = (hdrs.METH_GET, hdrs.METH_POST, hdrs.METH_PUT, hdrs.METH_DELETE)
"""What a route of any method is documented with."""

ALWAYS_REFUSES = (400, 401, 403)
"""A malformed request, one without a token, one whose token does not allow it."""

OF_LINES = (AuditRecord, LogEntry)
"""What streams are made of; no route has it as its body."""


class Refusal(msgspec.Struct):
    """The body of every error: what was wrong, in words or as STH says it."""

    error: str | dict[str, Any]


class Route:
    """One operation of the document.

    Args:
        method, path: of its requests.
        handler: whose docstring and declaration tell of it.
        declared: its declaration.
    """

    def __init__(self, method: str, path: str, handler: Callable[..., Any], declared: Operation) -> None:
        self.method, self.path, self.declared = method, path, declared
        self.scope = scope_of(handler)
        self.noun = handler.__module__.rpartition(".")[2]
        self.id = name_of(handler)
        self.summary, _, description = (inspect.getdoc(handler) or "").partition("\n\n")
        self.description = description.strip()

    @property
    def types(self) -> Iterator[Any]:
        """The types of its JSON bodies."""
        for body in (self.declared.body, self.declared.answer):
            if body is not None and not isinstance(body, Content):
                yield body


def undocumented(app: web.Application) -> list[str]:
    """The routes that say nothing of themselves."""
    return [
        f"{route.method} {route.resource.canonical}"
        for route in app.router.routes()
        if route.resource and (operation_of(route.handler) is None or not inspect.getdoc(route.handler))
    ]


def document(app: web.Application, *, version: str) -> Json:
    """The document.

    Args:
        app: whose routes are in it.
        version: of the API.
    """
    routes = list(_routes(app))
    types = [kind for route in routes for kind in route.types]
    _, schemas = msgspec.json.schema_components((Refusal, *OF_LINES, *types), ref_template=REF)
    paths: dict[str, Json] = {}
    for route in routes:
        item = paths.setdefault(route.path, {"parameters": [{"$ref": "#/components/parameters/RequestId"}]})
        item[route.method.lower()] = _operation(route)
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
        "tags": [{"name": noun} for noun in dict.fromkeys(route.noun for route in routes)],
        "paths": paths,
        "components": {
            "schemas": {name: _in_markdown(schema) for name, schema in schemas.items()},
            "parameters": {"RequestId": _REQUEST_ID},
            "securitySchemes": {"token": _TOKEN},
        },
    }


def _routes(app: web.Application) -> Iterator[Route]:
    for route in app.router.routes():
        declared = operation_of(route.handler)
        if declared is None or route.resource is None or route.method == hdrs.METH_HEAD:  # each GET has one
            continue
        for method in ANY_METHOD if route.method == hdrs.METH_ANY else (route.method,):
            yield Route(method, route.resource.canonical, route.handler, declared)


def _operation(route: Route) -> Json:
    declared = route.declared
    described: Json = {"operationId": route.id, "tags": [route.noun], "summary": route.summary}
    if route.description:
        described["description"] = route.description
    if parameters := [*_path_parameters(route), *_header_parameters(declared)]:
        described["parameters"] = parameters
    if declared.body is not None:
        described["requestBody"] = {"content": _content(declared.body), "required": declared.body_required}
    described["responses"] = _responses(route)
    described["x-scope"] = route.scope.value if route.scope else "none"
    if declared.is_endless:
        described["x-endless"] = True
    return described


def _path_parameters(route: Route) -> Iterator[Json]:
    for name in re.findall(r"{(\w+)}", route.path):
        schema: Json = {"type": "string", "minLength": 1}
        if name in route.declared.path:
            schema["enum"] = list(route.declared.path[name])
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _header_parameters(declared: Operation) -> Iterator[Json]:
    for header in declared.headers:
        yield {"name": header.name, "in": "header", "description": header.description, "schema": {"type": "string"}}


def _responses(route: Route) -> Json:
    declared = route.declared
    responses: Json = {}
    if declared.answer is not None:
        responses[str(declared.status)] = {"description": _meaning(declared), **_body(declared.answer)}
        for status, why in declared.other_statuses.items():
            responses[str(status)] = {"description": why, **_body(declared.answer)}
    refuses = {*ALWAYS_REFUSES, *declared.refuses}
    if route.method == hdrs.METH_GET or isinstance(declared.body, Content):
        refuses.add(415)
    for status in sorted(refuses):
        responses[str(status)] = {"description": _phrase(status), **_body(Refusal)}
    return responses


def _meaning(declared: Operation) -> str:
    return declared.answer.description if isinstance(declared.answer, Content) else _phrase(declared.status)


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
    """A schema whose description is no longer in the syntax of docstrings."""
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
