"""One declaration per route: what goes in, what comes out, who may call it.

    @route("POST /api/v1/thing/{id}", scope=Scope.FULL, body=ThingRequest, answer=Thing, status=202, refuses=(404,))
    async def change_thing(request): ...

The scope that a token needs, the check of ``Accept``, when a client that waits for ``100 Continue`` is asked for its
body, the code in the audit, what a Hub that shuts down waits for, the names in the metrics and the OpenAPI document
all come from it. The handler's docstring is the summary; what follows its first paragraph is the description.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from aiohttp import hdrs, web

from transform_hub.hub.access.auth import Scope
from transform_hub.hub.errors import ApiError
from transform_hub.hub.http.content_encoding import encoding_of
from transform_hub.models.rules import BINARY, JSON_TYPES

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclasses.dataclass(frozen=True)
class Content:
    """A body that is not JSON.

    Attributes:
        description: what is in it.
        media_types: its content types; none if there is nothing.
    """

    description: str
    media_types: tuple[str, ...] = (BINARY,)


@dataclasses.dataclass(frozen=True)
class Header:
    """A header of the request."""

    name: str
    description: str


@dataclasses.dataclass(frozen=True)
class Query:
    """A parameter in the query of the request, which may be left out."""

    name: str
    description: str
    schema: Mapping[str, Any] = dataclasses.field(default_factory=lambda: {"type": "string"})


NOTHING = Content("Nothing.", ())
LOG_LINES = Content("One `LogEntry` in JSON per line.")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Route:
    """A handler and its declaration.

    Attributes:
        handler: answers the requests.
        paths: ``METHOD /path`` each; the method ``*`` stands for any.
        scope: what a token must be good for: ``READ`` where nothing is changed and nothing taken from others, None
            where no token is needed.
        body: of the request: a type for JSON, or a :class:`Content`; None takes none.
        body_required: whether there has to be one, if it takes one.
        answer: the body of the answer: a type for JSON, or a :class:`Content`; None if the route always refuses.
        status: of that answer.
        other_statuses: those it may have instead, with why.
        refuses: statuses of errors, beside those that every route may have.
        headers: of the request.
        query: parameters in its query.
        audit: the operation's number in codes of the audit, by its word in the path.
        is_endless: whether it may take as long as the client waits: a stream, or an event that may never come.
        is_drained: whether a Hub that shuts down waits for it: it ends once its Instance has and all of it is read.
    """

    handler: Handler
    paths: tuple[str, ...]
    scope: Scope | None
    body: Any = None
    body_required: bool = True
    answer: Any = None
    status: int = 200
    other_statuses: Mapping[int, str] = dataclasses.field(default_factory=dict)
    refuses: tuple[int, ...] = ()
    headers: tuple[Header, ...] = ()
    query: tuple[Query, ...] = ()
    audit: Mapping[str, int] = dataclasses.field(default_factory=dict)
    is_endless: bool = False
    is_drained: bool = False

    @functools.cached_property
    def noun(self) -> str:
        """The module of the handler, e.g. ``sequences``."""
        return self.handler.__module__.rpartition(".")[2]

    @functools.cached_property
    def name(self) -> str:
        """What metrics and the OpenAPI document call it, e.g. ``sequences.send_sequence``."""
        return f"{self.noun}.{self.handler.__name__}"

    @functools.cached_property
    def choices(self) -> dict[str, list[str]]:
        """The values of those parts of its paths that have only a few, as in ``{stream:output|stdout}``."""
        found = (match for path in self.paths for match in re.finditer(r"{(\w+):([\w|]+)}", path))
        return {match[1]: match[2].split("|") for match in found}

    @functools.cached_property
    def text(self) -> tuple[str, str]:
        """Summary and description."""
        summary, _, description = (inspect.getdoc(self.handler) or "").partition("\n\n")
        return summary, description.strip()

    def register(self, router: web.UrlDispatcher) -> None:
        """Serve it; GET brings HEAD along."""
        for each in self.paths:
            method, _, path = each.partition(" ")
            add = router.add_get if method == hdrs.METH_GET else functools.partial(router.add_route, method)
            add(path, self.handle, expect_handler=self.expect)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request.

        Raises:
            ApiError: it is refused.
        """
        if self._answers_json and request.method in (hdrs.METH_GET, hdrs.METH_HEAD):
            require_acceptable(request, *JSON_TYPES)
        if self.body is not None:
            encoding_of(request.headers)  # refuses those that are not taken, before anything is done
        return await self.handler(request)

    async def expect(self, request: web.Request) -> None:
        """Ask a client that waits for it for its body, unless the handler does so after its checks."""
        if isinstance(self.body, Content) or self.answer is None:
            return
        if not _waits(request):
            error = msgspec.json.encode({"error": "The only expectation that can be met is 100-continue"})
            raise web.HTTPExpectationFailed(text=error.decode(), content_type=JSON_TYPES[0])
        await ask_for_body(request)

    @functools.cached_property
    def _answers_json(self) -> bool:
        # Streams and events look for their Instance first, then at what the client accepts.
        return not (self.answer is None or isinstance(self.answer, Content) or self.is_endless)


def route(*paths: str, scope: Scope | None, **declared: Any) -> Callable[[Handler], Route]:
    """Make a :class:`Route` of a handler; the arguments are its attributes."""
    return lambda handler: Route(handler=handler, paths=paths, scope=scope, **declared)


def route_of(handler: object) -> Route | None:
    """The declaration behind a handler that aiohttp has found for a request; None if there is no such route."""
    found = getattr(handler, "__self__", None)
    return found if isinstance(found, Route) else None


def require_acceptable(request: web.Request, *types: str) -> None:
    """Check the Accept header, if there is one.

    Raises:
        ApiError: none of ``types`` is accepted.
    """
    accept = request.headers.get(hdrs.ACCEPT)
    if not accept:
        return
    for offer in accept.split(","):
        wanted = offer.partition(";")[0].strip().lower()
        if any(wanted in ("*/*", kind, kind.partition("/")[0] + "/*") for kind in types):
            return
    raise ApiError(415, f"This route answers with {types[0]}", reason="Invalid content-type")


def _waits(request: web.Request) -> bool:
    return request.headers.get(hdrs.EXPECT, "").lower() == "100-continue"


async def ask_for_body(request: web.Request) -> bool:
    """Send ``100 Continue`` to a client that waits for it; whether it does."""
    if not _waits(request):
        return False
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # the answer itself has not begun
    return True
