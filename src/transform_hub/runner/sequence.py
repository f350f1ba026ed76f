"""A Sequence's own file: loading it, and what it declares about its topics and types."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any


def load(root: Path, main: Path) -> ModuleType:
    """Import a Sequence's file as a script would be: its folder is the working directory and importable.

    Args:
        root: the folder of the package; what is vendored in its ``__pypackages__`` comes first.
        main: the file to import.

    Raises:
        ImportError: it is no Python file, it defines no ``run``, or what it imports is missing.
    """
    os.chdir(main.parent)
    sys.path[:0] = [str(root / "__pypackages__"), str(main.parent)]
    sys.argv = [str(main)]
    # Its own name, so that other files of the package which import it get this module and not a second one.
    name = main.stem if main.stem not in sys.modules else "sequence"
    spec = importlib.util.spec_from_file_location(name, main)
    if spec is None or spec.loader is None:
        raise ImportError(f"{main.name} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    if not callable(entry(module)):
        raise ImportError(f"{main.name} defines no function run(context, input, *args)")  # noqa: TRY004 - the file is wrong
    return module


def entry(module: ModuleType) -> Any:
    """The function to call: ``run``, or ``main`` as it is called since STH 2.0; None if there is neither."""
    return getattr(module, "run", None) or getattr(module, "main", None)


def topic(holder: Any, kind: str) -> dict[str, str] | None:
    """The topic that is declared: ``{"topic", "contentType"}``.

    Args:
        holder: a dict of the module (``provides = {"provides": "names", "contentType": "text/plain"}``), or what
            ``run`` returned, with attributes of the same names.
        kind: "provides" or "requires".
    """
    name = holder.get(kind) if isinstance(holder, dict) else getattr(holder, kind, None)
    if not isinstance(name, str) or not name:
        return None
    return {"topic": name, "contentType": content_type(holder) or "text/plain"}


def content_type(holder: Any) -> str | None:
    """The content type that a dict or an object declares, None if it doesn't."""
    for name in ("contentType", "content_type"):
        value = holder.get(name) if isinstance(holder, dict) else getattr(holder, name, None)
        if isinstance(value, str) and value:
            return value
    return None
