"""The answer of ``GET /config``: how a Hub is set up, as far as it tells.

STH answers with whatever it was given, so that a number from its command line is a text. What can't be read as the type
that it has here counts as not told; all of the answer is in ``answer``.
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
    """How a Hub is set up: ``GET /config``.

    ``safe_operation_limit`` is what does not count as available of each disk, in MiB. ``answer`` is all that was said,
    with the settings that only some Hubs have.
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
        """What an answer says."""
        parts = {
            "host": _told(answer.get("host"), ApiSettings),
            "instance_requirements": _told(answer.get("instanceRequirements"), RequirementSettings),
            "timings": _told(answer.get("timings"), TimingSettings),
        }
        return msgspec.structs.replace(_told(answer, cls), answer=answer, **parts)


def _told(answer: Any, section: type[T]) -> T:
    """The settings of a section that can be read."""
    values = {}
    for field in msgspec.structs.fields(section) if isinstance(answer, dict) else ():
        with suppress(msgspec.ValidationError, KeyError):
            values[field.name] = msgspec.convert(answer[field.encode_name], field.type, strict=False)
    return section(**values)
