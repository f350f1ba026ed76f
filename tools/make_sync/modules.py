"""Sync modules: their classes and what those import."""

from __future__ import annotations

import ast
import builtins
import copy
import textwrap
from pathlib import Path

from make_sync.classes import GIVEN, SyncClass
from make_sync.clients import SOURCE, Clients, Module, names_in

SUPPORT = {
    **dict.fromkeys(("Mirror", "MirroredStream", "called", "mirror", "original"), "transform_hub.sync.mirror"),
    **dict.fromkeys((*GIVEN.values(), "options_of"), "transform_hub.sync.handover"),
    **dict.fromkeys(("Iterable", "Iterator"), "collections.abc"),
}


def module_source(module: Module, clients: Clients) -> str:
    """The source of a sync module."""
    classes = "\n\n".join(SyncClass(name, clients).source() for name in clients.of(module))
    doc = (ast.get_docstring(module.tree, clean=False) or "").rstrip()
    imports, late = imports_of(classes, module, clients)
    checking = f"if TYPE_CHECKING:\n{textwrap.indent(late, '    ')}\n" if late else ""
    return (
        f'"""{doc}\n\nMade by tools/make_sync of transform_hub.client.{module.name}: edit that, and run'
        f' ``make sync``.\n"""\n\nfrom __future__ import annotations\n\n{imports}\n{checking}\n{classes}'
    )


def imports_of(source: str, module: Module, clients: Clients) -> tuple[str, str]:
    """Import statements, and those for type checkers only."""
    tree = ast.parse(source)
    own = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    own |= {node.name for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and node.name}
    own |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    own |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    used = names_in(tree) - own - {"native"}
    runtime = runtime_names(tree)
    first = {f"from transform_hub.client import {module.name} as native"}
    late = set()
    for name in used:
        if (line := import_of(name, module, clients)) is None:
            continue
        is_late = name == "Self" or (name in clients.home and name not in runtime)
        (late if is_late else first).add(line)
    if late:
        first.add("from typing import TYPE_CHECKING")
    return "\n".join(sorted(first)), "\n".join(sorted(late))


def runtime_names(tree: ast.Module) -> set[str]:
    """The names that are looked up when the module runs: all but those in annotations."""
    tree = copy.deepcopy(tree)
    for node in ast.walk(tree):
        for field in ("annotation", "returns"):
            if getattr(node, field, None) is not None:
                setattr(node, field, None if field == "returns" else ast.Constant(0))
    return names_in(tree)


def import_of(name: str, module: Module, clients: Clients) -> str | None:
    """The statement that imports a name; None if it is no global one."""
    if name in SUPPORT:
        return f"from {SUPPORT[name]} import {name}"
    if name in clients.home:
        return f"from transform_hub.sync.{clients.home[name].name} import {name}"
    if name in module.imports:
        return f"from {module.imports[name]} import {name}" if module.imports[name] else f"import {name}"
    if name in globals_of(module.tree):
        return f"from transform_hub.client.{module.name} import {name}"
    if name == "Any":
        return "from typing import Any"
    assert hasattr(builtins, name), f"{module.name}: where does {name} come from?"
    return None


def globals_of(tree: ast.Module) -> set[str]:
    """What a module defines."""
    defined = {
        node.name for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
    }
    return defined | {name for node in tree.body if isinstance(node, ast.Assign) for name in names_in(node.targets[0])}


def sources() -> dict[Path, str]:
    """The sync modules, not yet formatted."""
    clients = Clients()
    return {
        SOURCE / "sync" / f"{module.name}.py": module_source(module, clients)
        for module in clients.modules.values()
        if clients.of(module)
    }
