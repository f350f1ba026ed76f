"""Reading JSON and YAML files that people write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from transform_hub.errors import HubStartError

T = TypeVar("T")


def read_document(path: Path) -> Any:
    """What is in a file: JSON if its name ends in ``.json``, otherwise YAML.

    Raises:
        HubStartError: it can't be read, or is neither; the text has line and column.
    """
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise HubStartError(f"{path} is not text in UTF-8") from None
    except OSError as error:
        raise HubStartError(f"{path} can't be read: {error.strerror}") from None
    try:
        return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except json.JSONDecodeError as error:
        raise HubStartError(f"{path}:{error.lineno}:{error.colno} is not JSON: {error.msg}") from None
    except RecursionError:
        raise HubStartError(f"{path} is nested too deeply") from None
    except yaml.YAMLError as error:
        raise HubStartError(f"{path}{_place(error)} is not YAML: {_problem(error)}") from None


def convert(value: Any, kind: type[T], where: str, *, strict: bool = True) -> T:
    """A value of a file as what it should be.

    Args:
        value: as it was read.
        kind: a type that msgspec knows.
        where: file, and key if there is one, for the error.
        strict: whether text with a number in it is no number.

    Raises:
        HubStartError: it is something else.
    """
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(" - at `$")
        key = place.rstrip("`").lstrip(".")
        raise HubStartError(f"{where}: {key}: {problem}" if key else f"{where}: {problem}") from None


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f":{mark.line + 1}:{mark.column + 1}" if mark else ""


def _problem(error: yaml.YAMLError) -> str:
    return getattr(error, "problem", None) or str(error)
