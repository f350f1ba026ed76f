"""The files of profiles, and which of them is in use."""

from __future__ import annotations

import contextlib
import json
import os
import re
from pathlib import Path
from typing import Any

from transform_hub.errors import ProfileError, ProfileNotFoundError, ProfileValueError
from transform_hub.profile.values import DEFAULTS

DEFAULT = "default"
"""Name of the default profile; its file need not exist."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def folder() -> Path:
    """The folder of profiles and settings of ``si``."""
    return Path.home() / ".si"


def active_name() -> str:
    """Name of the active profile."""
    name = read(folder() / "si-config.json").get("profile")
    return name if isinstance(name, str) and name else DEFAULT


def activate(name: str) -> None:
    """Make a profile the active one.

    Raises:
        ProfileError: there is no such profile.
    """
    _existing(name)
    path = folder() / "si-config.json"
    write(path, {**read(path), "profile": name})


def names() -> list[str]:
    """Names of all profiles."""
    return sorted({DEFAULT, *(path.stem for path in (folder() / "profiles").glob("*.json"))})


def create(name: str) -> Path:
    """Create a profile with the defaults.

    Raises:
        ProfileError: it exists, or a profile can't have this name.
    """
    path = path_of(name)
    if path.exists():
        raise ProfileError(f"profile {name!r} already exists")
    write(path, DEFAULTS)
    return path


def remove(name: str) -> None:
    """Delete a profile.

    Raises:
        ProfileError: there is no such profile, or it is the active one.
    """
    path = _existing(name)
    if name == active_name():
        raise ProfileError(f"{name!r} is the active profile: activate another one first")
    path.unlink(missing_ok=True)


def locate(name: str | None = None, *, path: Path | None = None) -> Path:
    """File of the profile in use; that of the default profile need not exist.

    Raises:
        ProfileError: there is no such profile, or no such file.
    """
    if path is not None:
        return _named_file(path)
    if name is not None:
        return _existing(name)
    if path_given := variable("SI_CONFIG_PATH"):
        return _named_file(Path(path_given))
    return _existing(variable("SI_CONFIG") or active_name())


def path_of(name: str) -> Path:
    """File of a profile, which need not exist.

    Raises:
        ProfileValueError: a profile can't have this name.
    """
    if not _NAME.fullmatch(name):
        raise ProfileValueError(f"{name!r} can't name a profile: use letters, digits, '.', '_' and '-'")
    return folder() / "profiles" / f"{name}.json"


def read(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty if there is no file.

    Raises:
        ProfileError: it can't be read, or is not a JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ProfileError(f"{path} can't be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ProfileError(f"{path} is not JSON ({error}): fix or delete it") from None
    if not isinstance(value, dict):
        raise ProfileError(f"{path} is not a JSON object: fix or delete it")
    return value


def write(path: Path, value: dict[str, Any]) -> None:
    """Replace a file atomically; only its owner can read it, as it may hold a token.

    Raises:
        ProfileError: it can't be written; the old file is unchanged.
    """
    part = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(value, file, indent=2)
        part.replace(path)
    except OSError as error:
        raise ProfileError(f"{path} can't be written: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def variable(name: str) -> str:
    """An environment variable; empty if it is not set."""
    return os.environ.get(name, "").strip()


def _existing(name: str) -> Path:
    path = path_of(name)
    if name != DEFAULT and not path.exists():
        hint = f"`si config profile create {name}` creates it"
        raise ProfileNotFoundError(f"there is no profile {name!r} in {path.parent}: {hint}")
    return path


def _named_file(path: Path) -> Path:
    if not path.is_file():
        raise ProfileNotFoundError(f"there is no profile file {path}")
    return path
