"""Routes of Instances: info, control, events and streams."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import hdrs, web

from transform_hub.hub.access.auth import Scope
from transform_hub.hub.errors import ApiError
from transform_hub.hub.http.instance_input import open_input, open_stdin, require_alive
from transform_hub.hub.http.json import body_as, command_body, json_response
from transform_hub.hub.http.parts import PARTS
from transform_hub.hub.http.route import LOG_LINES, NOTHING, Content, Header, require_acceptable, route
from transform_hub.hub.http.routes.sequences import to_the_end
from transform_hub.hub.http.streaming import stream_response
from transform_hub.hub.http.uploads import converse, ends_stream, forward_body
from transform_hub.hub.instances.events import EndedError
from transform_hub.hub.instances.instance import Instance
from transform_hub.models import (
    EventAccepted,
    EventOrder,
    InputPosition,
    InstanceInfo,
    KillRequest,
    MonitoringRateAccepted,
    MonitoringRateOrder,
    StopRequest,
)
from transform_hub.models.rules import ANSWER_AT, BINARY, JSON_TYPES, NDJSON, POSITION

OUTPUT = Content("What the Sequence writes.")
EVENT_LINES = Content("One message in JSON per line.")
STDIN = Content("What the Sequence reads from its standard input.")
INPUT = Content(
    "What the Sequence reads. The content type says how; that of the first request counts.",
    ("text/plain", NDJSON, BINARY),
)
END_STREAM = Header("x-end-stream", "`false` or `success` leave the stream open when the request has ended.")
WRITE_AT = Header(
    POSITION, "Where the stream has to be, in bytes: 409 if it is elsewhere. Who was sending before breaks off."
)
ANSWER_WHEN = Header(
    ANSWER_AT, "`end`: the head of the answer, too, comes after the body. Proxies pass bodies on better then."
)
STAYS_OPEN = "The stream stays open after this request."


@route("GET /api/v1/instance/{id}", scope=Scope.READ, answer=InstanceInfo, refuses=(404,))
async def get_instance(request: web.Request) -> web.Response:
    """An Instance."""
    return json_response(_instance(request).info())


@route("GET /api/v1/instance/{id}/health", scope=Scope.READ, answer=dict[str, Any], refuses=(404,), audit={"health": 8})
async def get_health(request: web.Request) -> web.Response:
    """The latest answer of a Sequence's health checks, with its process and the bytes its streams have carried.

    `answeredAgo` is the age of that answer in ms: a Sequence that is busy gives no new one. The first answer is waited
    for, at most five seconds; then `healthy` is false, and `error` says why.
    """
    return json_response(await _instance(request).health())


@route(
    "POST /api/v1/instance/{id}/_stop", scope=Scope.FULL, body=StopRequest, body_required=False, answer=InstanceInfo,
    status=202, refuses=(400, 404), audit={"_stop": 14},
)  # fmt: skip
async def stop(request: web.Request) -> web.Response:
    """Ask the Sequence to stop; kill it when the time is over.

    Answered when it has ended, or goes on because it asked to.
    """
    instance = _instance(request)
    order = await body_as(request, StopRequest)
    if order.timeout < 0:
        raise ApiError(400, "Invalid timeout format: it is in milliseconds and not negative")
    await to_the_end(instance.stop(order.timeout, can_keep_alive=order.can_call_keepalive))
    return json_response(instance.info(), status=202)


@route(
    "POST /api/v1/instance/{id}/_kill", scope=Scope.FULL, body=KillRequest, body_required=False, answer=InstanceInfo,
    status=202, refuses=(400, 404), audit={"_kill": 15},
)  # fmt: skip
async def kill(request: web.Request) -> web.Response:
    """End an Instance at once; may be repeated."""
    instance = _instance(request)
    order = await body_as(request, KillRequest)
    instance.kill(remove_immediately=order.remove_immediately)
    return json_response(instance.info(), status=202)


@route(
    "POST /api/v1/instance/{id}/_event", scope=Scope.FULL, body=tuple[int, EventOrder], answer=EventAccepted,
    refuses=(400, 404, 409, 503), audit={"_event": 13},
)  # fmt: skip
async def send_event(request: web.Request) -> web.Response:
    """Send an event to the Sequence; the number before it is ignored."""
    instance = _instance(request)
    event = await command_body(request)
    if not isinstance(event.get("eventName"), str):
        raise ApiError(400, "Invalid format, eventName missing.")
    require_alive(instance)
    if instance.streams.control is None:
        raise ApiError(409, f"The Instance is {instance.status}: it can't take events yet")
    if not instance.run.send_event(event["eventName"], event.get("message"), "api"):
        raise ApiError(503, "The Instance does not read its events, and there is no room for another")
    return json_response(EventAccepted())


@route(
    "POST /api/v1/instance/{id}/_monitoring_rate", scope=Scope.FULL, body=tuple[int, MonitoringRateOrder],
    answer=MonitoringRateAccepted, status=202, refuses=(400, 404), audit={"_monitoring_rate": 12},
)  # fmt: skip
async def set_monitoring_rate(request: web.Request) -> web.Response:
    """Set how often the runner reports its health; the number before the order is ignored."""
    instance = _instance(request)
    rate = (await command_body(request)).get("monitoringRate")
    if not isinstance(rate, (int, float)) or isinstance(rate, bool) or not 0 <= rate <= 1000:
        raise ApiError(400, "Invalid monitoringRate format: a number of messages per second, up to 1000")
    instance.set_monitoring_rate(rate)
    return json_response(MonitoringRateAccepted(), status=202)


@route(
    "GET /api/v1/instance/{id}/event/{name}", scope=Scope.READ, answer=Any, refuses=(404,), is_endless=True,
    audit={"event": 10},
)  # fmt: skip
async def get_event(request: web.Request) -> web.Response:
    """The last message of an event of that name, which is waited for."""
    return await _await_event(request, _instance(request).events.last)


@route(
    "GET /api/v1/instance/{id}/once/{name}", scope=Scope.READ, answer=Any, refuses=(404,), is_endless=True,
    audit={"once": 11},
)  # fmt: skip
async def get_next_event(request: web.Request) -> web.Response:
    """The next message of an event of that name."""
    return await _await_event(request, _instance(request).events.next)


async def _await_event(request: web.Request, get: Callable[[str], Awaitable[Any]]) -> web.Response:
    require_acceptable(request, *JSON_TYPES)
    if request.method == hdrs.METH_HEAD:  # a look waits for nothing
        return json_response(None)
    name = request.match_info["name"]
    try:
        return json_response(await get(name))
    except EndedError:
        raise ApiError(404, f"Instance {request.match_info['id']} has ended without the event {name}") from None


@route(
    "GET /api/v1/instance/{id}/events/{name}", scope=Scope.READ, answer=EVENT_LINES, refuses=(404,), is_endless=True,
    audit={"events": 9},
)  # fmt: skip
async def get_events(request: web.Request) -> web.StreamResponse:
    """The messages of all events of that name from now on."""
    return await stream_response(request, _instance(request).events.stream(request.match_info["name"]))


@route(
    "GET /api/v1/instance/{id}/{stream:output|stdout|stderr}", scope=Scope.FULL, answer=OUTPUT, refuses=(404,),
    is_endless=True, audit={"output": 6, "stdout": 1, "stderr": 2}, is_drained=True,
)  # fmt: skip
async def get_stream(request: web.Request) -> web.StreamResponse:
    """What the Sequence puts out, from what nobody has read yet to its end.

    The output has the content type that the Sequence has declared by then, `application/octet-stream` if none.
    """
    instance, name = _instance(request), request.match_info["stream"]
    content_type = instance.run.output_type if name == "output" else None
    return await stream_response(request, instance.streams[name], content_type)


@route(
    "GET /api/v1/instance/{id}/log", scope=Scope.READ, answer=LOG_LINES, refuses=(404,), is_endless=True,
    audit={"log": 4}, is_drained=True,
)  # fmt: skip
async def get_log(request: web.Request) -> web.StreamResponse:
    """The log of an Instance: its latest megabyte, then what comes."""
    return await stream_response(request, _instance(request).streams.log)


@route(
    "GET /api/v1/instance/{id}/{stream:input|stdin}", scope=Scope.READ, answer=InputPosition, refuses=(404,),
    audit={"input": 7, "stdin": 3},
)  # fmt: skip
async def get_input_position(request: web.Request) -> web.Response:
    """How many bytes of the input, or of the standard input, are with the Sequence for good.

    They reach it also if the Hub is killed. The header X-Stream-Position has the number, too.
    """
    streams = _instance(request).streams
    sink = streams.stdin if request.match_info["stream"] == "stdin" else streams.input
    state = InputPosition(position=sink.position, ended=sink.ended) if sink else InputPosition(position=0, ended=False)
    response = json_response(state)
    response.headers[POSITION] = str(state.position)
    return response


@route(
    "POST /api/v1/instance/{id}/stdin", scope=Scope.FULL, body=STDIN, answer=NOTHING, other_statuses={202: STAYS_OPEN},
    refuses=(404, 409), headers=(END_STREAM, WRITE_AT, ANSWER_WHEN), audit={"stdin": 3},
)  # fmt: skip
async def send_stdin(request: web.Request) -> web.StreamResponse:
    """Write to the standard input of the Sequence.

    The head of the answer comes at once, its end when all has been forwarded.
    """
    instance = _instance(request)
    if request.content_type != BINARY:
        raise ApiError(415, "stdin takes application/octet-stream", reason="Invalid content-type")
    return await forward_body(request, open_stdin(request, instance), instance.streams.note)


@route(
    "POST /api/v1/instance/{id}/input", scope=Scope.FULL, body=INPUT, answer=NOTHING, other_statuses={202: STAYS_OPEN},
    refuses=(404, 405, 406, 409), headers=(END_STREAM, WRITE_AT, ANSWER_WHEN), audit={"input": 7},
)  # fmt: skip
async def send_input(request: web.Request) -> web.StreamResponse:
    """Write to the input of the Sequence.

    The head of the answer comes at once, its end when all has been forwarded.
    """
    instance = _instance(request)
    return await forward_body(request, open_input(request, instance), instance.streams.note)


@route(
    "POST /api/v1/instance/{id}/inout", scope=Scope.FULL, body=INPUT, answer=OUTPUT, refuses=(404, 405, 406, 409),
    headers=(END_STREAM, WRITE_AT), is_endless=True, is_drained=True,
)  # fmt: skip
async def inout(request: web.Request) -> web.StreamResponse:
    """Write to the input and read the output at the same time.

    The input goes on after this request unless `x-end-stream` says otherwise.
    """
    instance = _instance(request)
    writer = open_input(request, instance)
    # As in STH the input goes on after this request, unless the client says otherwise.
    end = "x-end-stream" in request.headers and ends_stream(request)
    output, note = instance.streams["output"], instance.streams.note
    return await converse(request, writer, output, instance.run.output_type, note, end=end)


def _instance(request: web.Request) -> Instance:
    instance_id = request.match_info["id"]
    instance = request.app[PARTS].instances.get(instance_id)
    if instance is None:
        raise ApiError(404, f"Instance {instance_id} not found")
    return instance
