"""Opens input and stdin of an Instance for a request that writes them.

405  a topic is the input                 406  nobody has said yet what the input carries
409  it can't be written yet, or any more, or is not at the position that the request gives
"""

from __future__ import annotations

from aiohttp import hdrs, web

from transform_hub.hub.errors import ApiError
from transform_hub.hub.http.streaming import wanted_position
from transform_hub.hub.instances.instance import Instance
from transform_hub.hub.link.input_lines import LineWriter, has_lines
from transform_hub.hub.link.runner_input import Sink, SinkWriter, WrongPositionError
from transform_hub.models import ENDED
from transform_hub.models.rules import POSITION, media_type


def open_stdin(request: web.Request, instance: Instance) -> SinkWriter:
    """A writer of the standard input.

    Raises:
        ApiError: see above.
    """
    return _open(request, instance, instance.streams.stdin, "stdin")


def open_input(request: web.Request, instance: Instance) -> SinkWriter:
    """A writer of the input; the runner learns the content type that the request gives.

    Raises:
        ApiError: see above.
    """
    if instance.requires:
        raise ApiError(405, f"Input provided in other way: the Instance reads the topic {instance.requires}")
    content_type = request.headers.get(hdrs.CONTENT_TYPE)
    if instance.streams.input is not None and content_type is None and instance.run.input_type is None:
        raise ApiError(406, "Content-Type must be defined")
    writer = _open(request, instance, instance.streams.input, "input")
    if content_type is not None:
        instance.announce_input(content_type)
    carries = media_type(instance.run.input_type or "")
    return LineWriter(writer, carries, resumes=POSITION in request.headers) if has_lines(carries) else writer


def _open(request: web.Request, instance: Instance, sink: Sink | None, name: str) -> SinkWriter:
    headers = {} if sink is None else {POSITION: str(sink.position)}
    require_alive(instance, headers)
    if sink is None:
        raise ApiError(409, f"The Instance is {instance.status}: it can't take {name} yet")
    if sink.ended or sink.lost:
        raise ApiError(409, f"The {name} of this Instance has ended", headers=headers)
    try:
        return sink.writer(wanted_position(request))
    except WrongPositionError:
        raise ApiError(409, f"The {name} of this Instance is at byte {sink.position}", headers=headers) from None


def require_alive(instance: Instance, headers: dict[str, str] | None = None) -> None:
    """Refuse what an Instance that has ended can't do any more.

    Raises:
        ApiError: it has ended; the answer has these headers.
    """
    if instance.status in ENDED:
        reason = f": {instance.terminated.reason}" if instance.terminated else ""
        raise ApiError(409, f"The Instance is {instance.status}{reason}", headers=headers)
