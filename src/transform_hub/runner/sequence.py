"""Loads a Sequence's file and reads what it declares about its topics and types."""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import scramjet

from transform_hub.runner.log import LOGGER


def load(root: Path, main: Path) -> ModuleType:
    """Import a Sequence's file as a script: its folder is the working directory.

    Importable are, in this order, what is vendored in ``__pypackages__``, the files beside ``main``, and the folders of
    the package. A ``main`` in a folder of the package may use relative imports.

    Args:
        root: the folder of the package.
        main: the file to import.

    Raises:
        ImportError: it is not a Python file, it defines no ``run``, or an import of its own fails.
    """
    os.chdir(main.parent)
    sys.path[:0] = folders(root, main)
    if (root / "__pypackages__" / "scramjet").is_dir():
        _tell_other_framework(root / "__pypackages__")
    sys.argv = [str(main)]
    # Its own name, so that other files of the package which import it get this module and not a second one.
    name = main.stem if main.stem not in sys.modules else "sequence"
    full_name = ".".join((*main.parent.relative_to(root).parts, name))
    spec = importlib.util.spec_from_file_location(full_name, main)
    if spec is None or not isinstance(spec.loader, importlib.abc.InspectLoader):
        raise ImportError(f"{main.name} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    module.__name__ = name  # relative imports go by the spec
    sys.modules[name] = sys.modules[full_name] = module
    exec(spec.loader.get_code(full_name) or "", vars(module))  # noqa: S102 - exec_module() insists on the full name
    if not callable(entry(module)):
        raise ImportError(f"{main.name} defines no function run(context, input, *args)")  # noqa: TRY004 - the file is wrong
    return module


def folders(root: Path, main: Path) -> list[str]:
    """Where the Sequence's modules and packages are."""
    return list(dict.fromkeys(map(str, (root / "__pypackages__", main.parent, root))))


def _tell_other_framework(vendored: Path) -> None:
    """Warn that the framework which the package brings is not the one that it runs with."""
    from importlib import metadata  # noqa: PLC0415 - few packages need it

    name = "scramjet-framework-py"
    folders = vendored, Path(scramjet.__file__).parent.parent
    theirs, ours = (next(iter(metadata.distributions(name=name, path=[str(folder)])), None) for folder in folders)
    if theirs is not None and ours is not None and theirs.version != ours.version:
        words = "The package brings %s %s, which is not used: the Sequence runs with the Hub's %s"
        LOGGER.warning(words, name, theirs.version, ours.version)


def entry(module: ModuleType) -> Any:
    """The function to call: ``run``, or ``main``, its name since STH 2.0; None if there is neither."""
    return getattr(module, "run", None) or getattr(module, "main", None)


def topic(holder: Any, kind: str) -> dict[str, str] | None:
    """The declared topic: ``{"topic", "contentType"}``, None without one.

    Args:
        holder: a dict of the module (``provides = {"provides": "names", "contentType": "text/plain"}``), or the result
            of ``run``, with attributes of the same names.
        kind: "provides" or "requires".
    """
    name = holder.get(kind) if isinstance(holder, dict) else getattr(holder, kind, None)
    if not isinstance(name, str) or not name:
        return None
    declared = {"topic": name, "contentType": content_type(holder) or "text/plain"}
    group = holder.get("group") if isinstance(holder, dict) else getattr(holder, "group", None)
    return {**declared, "group": group} if isinstance(group, str) and group and kind == "requires" else declared


def schema(holder: Any) -> Any:
    """The schema of pyarrow that a dict or an object declares for its rows, None without one."""
    value = holder.get("schema") if isinstance(holder, dict) else getattr(holder, "schema", None)
    return value if type(value).__module__.partition(".")[0] == "pyarrow" else None


def content_type(holder: Any) -> str | None:
    """The content type that a dict or an object declares, None without one."""
    for name in ("contentType", "content_type"):
        value = holder.get(name) if isinstance(holder, dict) else getattr(holder, name, None)
        if isinstance(value, str) and value:
            return value
    return None
