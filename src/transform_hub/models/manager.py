"""The JSON shapes of the REST APIs v1 of Manager, MultiManager and Middleware.

A Manager (on the platform: a *Space*) coordinates Hubs, a MultiManager runs Managers, and the Middleware of the
platform stands in front of the Managers of all users.
"""

from __future__ import annotations

from typing import Any

import msgspec

from transform_hub.models.hub import InstanceInfo, Model, SequenceConfig


class HubTimes(Model):
    """When a Hub came and went, in ISO 8601."""

    created: str | None = None
    last_connected: str | None = None
    last_disconnected: str | None = None


class HubInfo(Model):
    """A Hub as its Manager knows it: ``GET /sth/:id/info`` and the items of ``GET /list``.

    ``is_connection_active`` says whether it is connected, ``healthy`` whether it has reported its load lately,
    ``self_hosted`` whether it connected with an access key. ``disconnect_reason`` is one of ``key_revoked``,
    ``limit_exceeded``, ``id_drop`` and ``disconnected``. Only lists have the ids in ``topics``, ``sequences`` and
    ``instances``.
    """

    id: str
    info: HubTimes = msgspec.field(default_factory=HubTimes)
    healthy: bool = False
    is_connection_active: bool = False
    self_hosted: bool = False
    description: str | None = None
    tags: list[str] = []
    disconnect_reason: str | None = None
    topics: list[str] = []
    sequences: list[str] = []
    instances: list[str] = []


class SpaceInstance(InstanceInfo):
    """An Instance on one of a Manager's Hubs: an item of ``GET /instances``; ``hub_id`` names the Hub."""

    hub_id: str = ""
    location: str = ""
    sequence_id: str = ""


class SpaceEntities(Model):
    """Answer of a Manager's ``GET /entities``: ids, of Sequences and Instances at most 100."""

    hubs: list[str] = []
    topics: list[str] = []
    sequences: list[str] = []
    instances: list[str] = []


class TopicActor(Model):
    """A user of a topic between Hubs.

    ``role`` is ``provider`` or ``consumer``, ``type`` is ``host`` for a Hub and ``api`` for a client; ``stream``
    says whether data can flow now, ``retired`` whether it has left.
    """

    role: str = ""
    type: str = ""
    host_id: str | None = None
    stream: bool = False
    retired: bool = False


class SpaceTopic(Model):
    """A topic that a Manager carries between its Hubs: an item of its ``GET /topics``."""

    name: str
    content_type: str = ""
    actors: list[TopicActor] = []


class StoreItem(SequenceConfig):
    """A package in a Manager's store; ``filename`` is the name to get and delete it by."""

    filename: str | None = msgspec.field(default=None, name="_filename")
    file_id: str | None = msgspec.field(default=None, name="_fileId")
    etag: str | None = None
    version_id: str | None = None


class DisconnectedHub(Model):
    """A Hub that its Manager disconnects, and why."""

    sth_id: str
    reason: str = ""


class HubsDisconnected(Model):
    """Answer of ``POST /disconnect``; the Hubs may stay connected for another second."""

    manager_id: str = ""
    disconnected: list[DisconnectedHub] = []


class ServiceHealth(Model):
    """Answer of ``GET /health`` of Manager and MultiManager: uptime in s, timestamp in ms, health of its parts."""

    uptime: float = 0.0
    timestamp: float = 0.0
    modules: dict[str, bool] = {}


class MultiManagerInfo(Model):
    """Answer of a MultiManager's ``GET /info``."""

    id: str = ""
    api_base: str = ""
    api_port: int | None = None
    managers_count: int = 0


class ManagerInfo(Model):
    """A Manager: an item of a MultiManager's ``GET /list``, and the answer of ``POST /start``."""

    id: str


class SpaceInfo(Model):
    """A Space of the platform: an item of ``GET /spaces``; its id is that of its Manager."""

    id: str


class AccessKey(Model):
    """An access key of a Space, without the key itself; ``created`` in ms since the epoch."""

    created: float | None = None
    description: str | None = None
    id: str | None = None


class AccessKeys(Model):
    """Answer of ``GET /space/:id/apikey``."""

    access_keys: list[AccessKey] = []


class KeysRevoked(Model):
    """Answer of ``DELETE /space/:id/apikey``; its content depends on the platform."""

    message: str = ""
    keys_revoked: Any = None
