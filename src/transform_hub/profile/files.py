"""Where profiles are, and which of them holds."""

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
"""Name of the profile that is active if none is; its file need not be there."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def folder() -> Path:
    """Where profiles are."""
    return Path.home() / ".si"


def active_name() -> str:
    """Name of the active profile."""
    name = read(folder() / "si-config.json").get("profile")
    return name if isinstance(name, str) and name else DEFAULT


def activate(name: str) -> None:
    """Make a profile the active one.

    Raises:
        ProfileError: there is none of this name.
    """
    _existing(name)
    path = folder() / "si-config.json"
    write(path, {**read(path), "profile": name})


def names() -> list[str]:
    """Names of all profiles."""
    return sorted({DEFAULT, *(path.stem for path in (folder() / "profiles").glob("*.json"))})


def create(name: str) -> Path:
    """Make the file of a profile with the defaults.

    Raises:
        ProfileError: it is there, or can't be called so.
    """
    path = path_of(name)
    if path.exists():
        raise ProfileError(f"there is a profile {name!r} already")
    write(path, DEFAULTS)
    return path


def remove(name: str) -> None:
    """Delete a profile.

    Raises:
        ProfileError: it is not there, or in use.
    """
    path = _existing(name)
    if name == active_name():
        raise ProfileError(f"{name!r} is the active profile: make another one active first")
    path.unlink(missing_ok=True)


def locate(name: str | None = None, *, path: Path | None = None) -> Path:
    """File of the profile that holds; that of the default profile need not be there.

    Raises:
        ProfileError: there is none of this name, or no such file.
    """
    if path is not None:
        return _named_file(path)
    if name is not None:
        return _existing(name)
    if path_given := variable("SI_CONFIG_PATH"):
        return _named_file(Path(path_given))
    return _existing(variable("SI_CONFIG") or active_name())


def path_of(name: str) -> Path:
    """File of a profile, which need not be there.

    Raises:
        ProfileValueError: no profile can be called so.
    """
    if not _NAME.fullmatch(name):
        raise ProfileValueError(f"{name!r} can't be the name of a profile: letters, digits, '.', '_' and '-' can")
    return folder() / "profiles" / f"{name}.json"


def read(path: Path) -> dict[str, Any]:
    """The object in a JSON file; an empty one if there is no file.

    Raises:
        ProfileError: it can't be read, or is something else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ProfileError(f"{path} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise ProfileError(f"{path} is not JSON ({error}): mend it, or delete it") from None
    if not isinstance(value, dict):
        raise ProfileError(f"{path} is no JSON object: mend it, or delete it")
    return value


def write(path: Path, value: dict[str, Any]) -> None:
    """Replace a file at once; it may hold a token, so it is its owner's alone.

    Raises:
        ProfileError: it can't be written; the old one is as it was.
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
        hint = f"`si config profile create {name}` makes it"
        raise ProfileNotFoundError(f"there is no profile {name!r} in {path.parent}: {hint}")
    return path


def _named_file(path: Path) -> Path:
    if not path.is_file():
        raise ProfileNotFoundError(f"there is no profile file {path}")
    return path
