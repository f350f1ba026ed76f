"""The answer of ``GET /config``: the configuration of a Hub.

STH answers with whatever it was given: a number from its command line is text. A value that can't be converted to the
type it has here is left out; ``answer`` has everything.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, TypeVar

import msgspec

T = TypeVar("T", bound=msgspec.Struct)


class ApiSettings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where a Hub serves its API; ``id`` is the Hub's."""

    api_base: str = ""
    hostname: str = ""
    port: int | None = None
    id: str = ""


class RequirementSettings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What has to be free for another Instance: CPU in percent, memory and disk in MiB."""

    cpu_load: float | None = None
    free_mem: float | None = None
    free_space: float | None = None


class TimingSettings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Between heartbeats in the audit, and how long an ended Instance is kept; in ms."""

    heart_beat_interval: int | None = None
    instance_lifetime_extension_delay: int | None = None


class HubSettings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The configuration of a Hub: ``GET /config``.

    ``safe_operation_limit`` is the part of each disk, in MiB, that counts as used. ``answer`` is the whole answer, with
    the settings that only some Hubs have.
    """

    log_level: str = ""
    custom_name: str = ""
    description: str = ""
    tags: list[str] = []
    identify_existing: bool = False
    exit_with_last_instance: bool = False
    runtime_adapter: str = ""
    startup_config: str = ""
    safe_operation_limit: float | None = None
    host: ApiSettings = ApiSettings()
    instance_requirements: RequirementSettings = RequirementSettings()
    timings: TimingSettings = TimingSettings()
    answer: dict[str, Any] = {}

    @classmethod
    def of(cls, answer: dict[str, Any]) -> HubSettings:
        """The settings in an answer."""
        parts = {
            "host": _section(answer.get("host"), ApiSettings),
            "instance_requirements": _section(answer.get("instanceRequirements"), RequirementSettings),
            "timings": _section(answer.get("timings"), TimingSettings),
        }
        return msgspec.structs.replace(_section(answer, cls), answer=answer, **parts)


def _section(answer: Any, section: type[T]) -> T:
    """The settings of a section that can be converted."""
    values = {}
    for field in msgspec.structs.fields(section) if isinstance(answer, dict) else ():
        with suppress(msgspec.ValidationError, KeyError):
            values[field.name] = msgspec.convert(answer[field.encode_name], field.type, strict=False)
    return section(**values)
