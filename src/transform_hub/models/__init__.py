"""The JSON shapes of the REST APIs v1, shared by clients and Hub: one module per server."""

from __future__ import annotations

from transform_hub.models.hub import (
    ENDED,
    DiskUsage,
    Entities,
    InstanceInfo,
    InstanceStarted,
    InstanceStatus,
    KillRequest,
    LoadCheck,
    LogEntry,
    ManagerStatus,
    Model,
    SequenceConfig,
    SequenceCreated,
    SequenceInfo,
    StartRequest,
    Status,
    StopRequest,
    Terminated,
    Topic,
    Version,
)

__all__ = [
    "ENDED",
    "DiskUsage",
    "Entities",
    "InstanceInfo",
    "InstanceStarted",
    "InstanceStatus",
    "KillRequest",
    "LoadCheck",
    "LogEntry",
    "ManagerStatus",
    "Model",
    "SequenceConfig",
    "SequenceCreated",
    "SequenceInfo",
    "StartRequest",
    "Status",
    "StopRequest",
    "Terminated",
    "Topic",
    "Version",
]
