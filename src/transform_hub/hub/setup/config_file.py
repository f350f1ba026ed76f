"""The configuration file of ``sth``, with the keys and the nesting of ``GET /config``."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transform_hub.errors import HubStartError
from transform_hub.hub.config import DaemonConfig
from transform_hub.hub.setting import settings_of
from transform_hub.hub.setup.files import convert, read_document

log = logging.getLogger(__name__)

SETTINGS = {each.key: each for each in settings_of(DaemonConfig)}
"""By their key in the file."""

WITHOUT_EFFECT = frozenset(
    {
        "cpm", "debug", "docker", "kubernetes", "logColors", "telemetry",
        "host.apiBase", "host.federationControl", "host.infoFilePath", "host.instancesServerPort",
        "platform.apiVersion", "platform.hostType", "timings.instanceAdapterExitDelay",
    }
)  # fmt: skip
"""Settings of STH that mean nothing here."""

FOR_MANAGERS = frozenset({"cpmId", "cpmSslCaPath", "cpmUrl", "platform.api", "platform.apiKey", "platform.space"})

NO_MANAGER = "this Hub can't be connected to a Manager"


def read_settings(path: Path) -> dict[str, Any]:
    """Read a configuration file.

    Args:
        path: a JSON or YAML file.

    Returns:
        Values of options of ``sth``, by the names of their parameters.

    Raises:
        HubStartError: the file can't be read, or a key or value in it is wrong.
    """
    document = read_document(path)
    settings: dict[str, Any] = {}
    useless = []
    for key, value in _flat({} if document is None else document, "", path):
        if key in SETTINGS:
            if value not in (None, ""):  # GET /config shows so what is not set
                # Not strict: GET /config of STH shows numbers that were options as text.
                setting = SETTINGS[key]
                settings[setting.name] = convert(value, setting.file_type, f"{path}: {key}", strict=False)
        elif key in FOR_MANAGERS:
            if value:
                raise HubStartError(f"{path}: {key}: {NO_MANAGER}; remove it")
        elif key in WITHOUT_EFFECT:
            useless.append(key)
        else:
            raise HubStartError(f"{path}: there is no setting {key!r}{_hint(key)}")
    if useless:
        log.warning("%s: no effect here: %s", path, ", ".join(useless))
    return settings


def _flat(section: Any, prefix: str, path: Path) -> Iterator[tuple[str, Any]]:
    known = {*SETTINGS, *WITHOUT_EFFECT, *FOR_MANAGERS}
    where = f"{path}: {prefix.rstrip('.')}" if prefix else str(path)
    for name, value in convert(section, dict[str, Any], where).items():
        key = f"{prefix}{name}"
        if not any(each.startswith(f"{key}.") for each in known):
            yield key, value
        elif value is not None:
            yield from _flat(value, f"{key}.", path)


def _hint(key: str) -> str:
    close = difflib.get_close_matches(key, SETTINGS, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
