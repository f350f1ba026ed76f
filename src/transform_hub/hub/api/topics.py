"""Routes of topics: list, create, delete, write and read."""

from __future__ import annotations

from aiohttp import hdrs, web

from transform_hub.hub.api.exchange import (
    HUB,
    JSON,
    STREAM,
    Routes,
    expect_later,
    forward_to_topic,
    json_body,
    json_response,
    require_acceptable,
    stream_response,
)
from transform_hub.hub.auth import Scope
from transform_hub.hub.errors import ApiError
from transform_hub.models import Topic

routes = Routes()


@routes.get("/api/v1/topics", scope=Scope.READ)
async def list_topics(request: web.Request) -> web.Response:
    require_acceptable(request, *JSON)
    topics = request.app[HUB].topics
    return json_response(
        [Topic(content_type=topic.content_type, topic=topic.name, topic_name=topic.name) for topic in topics]
    )


@routes.post("/api/v1/topics", scope=Scope.FULL)
async def create_topic(request: web.Request) -> web.Response:
    hub = request.app[HUB]
    body = await json_body(request)
    for parameter in ("id", "content-type"):
        if not isinstance(body, dict) or not isinstance(body.get(parameter), str):
            raise ApiError(400, f"Missing body param: {parameter}")
    if hub.topics.find(body["id"]) is not None:
        raise ApiError(400, "Topic with given id already exist")
    topic = hub.topics.get(body["id"], body["content-type"])
    origin = {"id": hub.config.host, "type": "hub"}
    return json_response({"id": topic.name, "origin": origin, "state": "flowing", "contentType": topic.content_type})


@routes.delete("/api/v1/topics/{name}", scope=Scope.FULL)
async def delete_topic(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    request.app[HUB].topics.remove(name)
    return json_response({"message": f"Topic {name} removed"})


@routes.post("/api/v1/topic/{name}", scope=Scope.FULL, expect_handler=expect_later)
async def send_topic(request: web.Request) -> web.Response:
    content_type = request.headers.get(hdrs.CONTENT_TYPE, "")
    topic = request.app[HUB].topics.get(request.match_info["name"], content_type)
    await forward_to_topic(request, topic.writer())
    return json_response({})


@routes.get("/api/v1/topic/{name}", scope=Scope.FULL)
async def get_topic(request: web.Request) -> web.StreamResponse:
    content_type = request.headers.get(hdrs.CONTENT_TYPE, "application/x-ndjson")
    name = request.match_info["name"]
    if request.method == hdrs.METH_HEAD and request.app[HUB].topics.find(name) is None:
        raise ApiError(404, f"Topic {name} not found")  # a look creates nothing
    require_acceptable(request, STREAM)
    try:
        topic = request.app[HUB].topics.get(name, content_type)
    except ApiError as error:
        if error.error == "Unsupported content-type":
            raise ApiError(415, error.error, reason=error.error) from None
        raise
    return await stream_response(request, topic)
