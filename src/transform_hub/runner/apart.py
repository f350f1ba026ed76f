"""Loads the client behind ``context.hub`` with the Hub's own packages, whatever versions of them a Sequence brings."""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import PathFinder
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transform_hub.client.host import HostClient

CLIENT = "transform_hub.client.host"
PACKAGES = (
    "aiohappyeyeballs",
    "aiohttp",
    "aiosignal",
    "async_timeout",
    "attr",
    "attrs",
    "frozenlist",
    "idna",
    "msgspec",
    "multidict",
    "propcache",
    "typing_extensions",
    "yarl",
)
"""What the client imports, all of it while it is imported itself."""


def host_client(folders: list[str]) -> type[HostClient]:
    """The class of clients.

    Args:
        folders: where the Sequence's own packages are; if one of :data:`PACKAGES` is among them, the client gets copies
            that nobody else sees.
    """
    if CLIENT not in sys.modules and any(PathFinder.find_spec(name, folders) for name in PACKAGES):
        _import_apart(folders)
    client: type[HostClient] = importlib.import_module(CLIENT).HostClient
    return client


def _import_apart(folders: list[str]) -> None:
    path, theirs = sys.path[:], _take_away()
    sys.path[:] = [folder for folder in path if folder not in folders]
    try:
        importlib.import_module(CLIENT)
    finally:
        sys.path[:] = path
        _take_away()
        sys.modules.update(theirs)


def _take_away() -> dict[str, ModuleType]:
    names = [name for name in sys.modules if name.partition(".")[0] in PACKAGES]
    return {name: sys.modules.pop(name) for name in names}
