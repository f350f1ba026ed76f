"""Routes of topics: list, create, delete, write and read."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import hdrs, web

from transform_hub.hub.access.auth import Scope
from transform_hub.hub.errors import ApiError
from transform_hub.hub.http.json import json_body, json_response
from transform_hub.hub.http.lists import LIMIT, OFFSET, list_response
from transform_hub.hub.http.parts import PARTS
from transform_hub.hub.http.route import Content, Header, require_acceptable, route
from transform_hub.hub.http.streaming import share_response, stream_response, wanted_place
from transform_hub.hub.http.uploads import forward_to_topic
from transform_hub.hub.topics import bus
from transform_hub.models import Topic, TopicCreated, TopicDeleted, TopicOrigin, TopicRequest
from transform_hub.models.rules import BINARY, NDJSON, TOPIC_TYPES, media_type

ITEMS = Content(
    "Items of the topic: lines of text or ndjson, or messages behind 4 bytes that say how long they are.", TOPIC_TYPES
)
STREAM_OF_ITEMS = Content("Items of the topic.")
TOPIC_TYPE = Header("content-type", "What the topic carries if this creates it; `application/x-ndjson` by default.")


@route("GET /api/v1/topics", scope=Scope.READ, answer=list[Topic], query=(LIMIT, OFFSET))
async def list_topics(request: web.Request) -> web.Response:
    """All topics."""
    return await list_response(request, await request.app[PARTS].topics.topics(), _listed)


def _listed(topic: bus.Topic) -> Topic:
    figures = topic.figures()
    return Topic(
        content_type=topic.content_type,
        topic=topic.name,
        topic_name=topic.name,
        readers=figures.readers,
        writers=figures.writers,
        waiting=figures.waiting,
        held=figures.held,
        groups={**figures.groups} or msgspec.UNSET,
    )


@route("POST /api/v1/topics", scope=Scope.FULL, body=TopicRequest, answer=TopicCreated, refuses=(400,))
async def create_topic(request: web.Request) -> web.Response:
    """Create a topic."""
    parts = request.app[PARTS]
    body = await json_body(request)
    for parameter in ("id", "content-type"):
        if not isinstance(body, dict) or not isinstance(body.get(parameter), str):
            raise ApiError(400, f"Missing body param: {parameter}")
    if await parts.topics.find(body["id"]) is not None:
        raise ApiError(400, "Topic with given id already exist")
    topic = await parts.topics.topic(body["id"], media_type(body["content-type"]))
    origin = TopicOrigin(id=parts.host, type="hub")
    return json_response(TopicCreated(id=topic.name, origin=origin, state="flowing", content_type=topic.content_type))


@route("DELETE /api/v1/topics/{name}", scope=Scope.FULL, answer=TopicDeleted, refuses=(400, 404))
async def delete_topic(request: web.Request) -> web.Response:
    """Delete a topic: its readers get what is left, then the end of the stream."""
    name = request.match_info["name"]
    await request.app[PARTS].topics.remove(name)
    return json_response(TopicDeleted(message=f"Topic {name} removed"))


@route("POST /api/v1/topic/{name}", scope=Scope.FULL, body=ITEMS, answer=dict[str, Any], refuses=(400, 404))
async def send_topic(request: web.Request) -> web.Response:
    """Write to a topic, which is created if there is none."""
    content_type = media_type(request.headers.get(hdrs.CONTENT_TYPE, ""))
    topic = await request.app[PARTS].topics.topic(request.match_info["name"], content_type)
    await forward_to_topic(request, topic.writer())
    return json_response({})


@route(
    "GET /api/v1/topic/{name}", scope=Scope.FULL, answer=STREAM_OF_ITEMS, refuses=(400, 404), headers=(TOPIC_TYPE,),
    is_endless=True,
)  # fmt: skip
async def get_topic(request: web.Request) -> web.StreamResponse:
    """Read a topic, which is created if there is none.

    With `?group=NAME` as a member of a group of readers: each item goes to one of them.
    """
    content_type = media_type(request.headers.get(hdrs.CONTENT_TYPE, NDJSON))
    name = request.match_info["name"]
    if request.method == hdrs.METH_HEAD and await request.app[PARTS].topics.find(name) is None:
        raise ApiError(404, f"Topic {name} not found")  # a look creates nothing
    require_acceptable(request, BINARY)  # a refused reader creates nothing
    position, is_tap = wanted_place(request)
    group = request.query.get("group")
    if group is not None and (is_tap or position is not None):
        raise ApiError(400, "A member of a group has neither a tap nor a position")
    bus.check_name(name)
    if content_type not in TOPIC_TYPES:
        raise ApiError(415, bus.UNSUPPORTED, reason="Unsupported content-type")
    topic = await request.app[PARTS].topics.topic(name, content_type)
    if group is None:
        return await stream_response(request, topic)
    return await share_response(request, topic.member(group), f"group {group} of topic {name}")
