"""The configuration file of ``sth``: the names that settings have there, in the nesting of ``GET /config``."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transform_hub.errors import HubStartError
from transform_hub.hub.setup.files import convert, read_document

log = logging.getLogger(__name__)

KEYS: dict[str, tuple[str, Any]] = {
    "host.port": ("port", int),
    "host.hostname": ("hostname", str),
    "host.id": ("id", str),
    "host.tokenFile": ("token_file", str),
    "host.insecure": ("insecure", bool),
    "host.tlsCert": ("tls_cert", str),
    "host.tlsKey": ("tls_key", str),
    "host.tlsClientCa": ("tls_client_ca", str),
    "host.maxConnections": ("max_connections", int),
    "host.corsOrigins": ("cors_origin", list[str]),
    "sequencesRoot": ("sequences_root", str),
    "identifyExisting": ("identify_existing", bool),
    "packages.maxSize": ("package_max_size", int),
    "packages.maxUnpacked": ("package_max_unpacked", int),
    "packages.maxFiles": ("package_max_files", int),
    "packages.maxRatio": ("package_max_ratio", float),
    "startupConfig": ("startup_config", str),
    "exitWithLastInstance": ("exit_with_last_instance", bool),
    "killOnExit": ("kill_on_exit", bool),
    "timings.shutdownTimeout": ("shutdown_timeout", int),
    "instanceLimits.memory": ("instance_memory", float),
    "instanceLimits.cpu": ("instance_cpu_time", int),
    "instanceLimits.files": ("instance_open_files", int),
    "instanceLimits.processes": ("instance_processes", int),
    "cgroups": ("cgroups", bool),
    "sandbox.enabled": ("sandbox", bool),
    "sandbox.network": ("sandbox_network", bool),
    "maxInstances": ("max_instances", int),
    "historyLimit": ("history_limit", int),
    "restartPolicy": ("restart_policy", str),
    "runtimeAdapter": ("runtime_adapter", str),
    "runnerEnvs": ("runner_envs", str | dict[str, str]),
    "zygote": ("zygote", bool),
    "reattach": ("reattach", bool),
    "timings.reattachTimeout": ("reattach_timeout", int),
    "timings.instanceLifetimeExtensionDelay": ("instance_lifetime_extension_delay", int),
    "timings.heartBeatInterval": ("heart_beat_interval", int),
    "safeOperationLimit": ("safe_operation_limit", float),
    "instanceRequirements.cpuLoad": ("min_free_cpu", float),
    "instanceRequirements.freeMem": ("min_free_mem", float),
    "instanceRequirements.freeSpace": ("min_free_space", float),
    "logLevel": ("log_level", str),
    "logFormat": ("log_format", str),
    "description": ("description", str),
    "customName": ("custom_name", str),
    "tags": ("tags", str | list[str]),
    "monitorgingServer.port": ("healtz_port", int),  # spelled as STH spells it
    "monitorgingServer.host": ("healtz_host", str),
    "monitorgingServer.path": ("healtz_path", str),
}
"""Key in the file, name of the option, type in the file."""

WITHOUT_EFFECT = frozenset(
    {
        "cpm", "debug", "docker", "kubernetes", "logColors", "telemetry",
        "host.apiBase", "host.federationControl", "host.infoFilePath", "host.instancesServerPort",
        "platform.apiVersion", "platform.hostType", "timings.instanceAdapterExitDelay",
    }
)  # fmt: skip
"""What STH knows and has no meaning here."""

OF_MANAGERS = frozenset({"cpmId", "cpmSslCaPath", "cpmUrl", "platform.api", "platform.apiKey", "platform.space"})

NO_MANAGER = "this Hub can't be connected to a Manager"


def read_settings(path: Path) -> dict[str, Any]:
    """The settings in a configuration file, by the names of the options of ``sth``.

    Args:
        path: of a JSON or YAML file.

    Raises:
        HubStartError: it can't be read, or has a key or a value that is not possible.
    """
    document = read_document(path)
    settings: dict[str, Any] = {}
    useless = []
    for key, value in _flat({} if document is None else document, "", path):
        if key in KEYS:
            name, kind = KEYS[key]
            if value not in (None, ""):  # as GET /config shows what is not set
                # STH's shows numbers that were options as text.
                settings[name] = convert(value, kind, f"{path}: {key}", strict=False)
        elif key in OF_MANAGERS:
            if value:
                raise HubStartError(f"{path}: {key}: {NO_MANAGER}; remove it")
        elif key in WITHOUT_EFFECT:
            useless.append(key)
        else:
            raise HubStartError(f"{path}: there is no setting {key!r}{_meant(key)}")
    if useless:
        log.warning("%s: no effect here: %s", path, ", ".join(useless))
    return settings


def _flat(section: Any, prefix: str, path: Path) -> Iterator[tuple[str, Any]]:
    known = {*KEYS, *WITHOUT_EFFECT, *OF_MANAGERS}
    where = f"{path}: {prefix.rstrip('.')}" if prefix else str(path)
    for name, value in convert(section, dict[str, Any], where).items():
        key = f"{prefix}{name}"
        if not any(each.startswith(f"{key}.") for each in known):
            yield key, value
        elif value is not None:
            yield from _flat(value, f"{key}.", path)


def _meant(key: str) -> str:
    close = difflib.get_close_matches(key, KEYS, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
