"""The async clients, parsed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "transform_hub"
MODULES = [
    "api", "logged", "readable", "reader", "follower", "writer", "duplex", "topic", "instance_streams", "instance",
    "sequence", "overview", "host", "pages", "manager", "multi_manager", "middleware",
]  # fmt: skip
BY_HAND = {"pages"}
"""Modules whose mirror is written by hand."""


class Module:
    """A module of async clients."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.tree = ast.parse((SOURCE / "client" / f"{name}.py").read_text())
        self.classes = {node.name: node for node in self.tree.body if isinstance(node, ast.ClassDef)}
        self.imports = dict(self._imports())

    def _imports(self) -> Iterator[tuple[str, str]]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom):
                yield from ((alias.name, node.module or "") for alias in node.names)
            elif isinstance(node, ast.Import):
                yield from ((alias.name, "") for alias in node.names)


class Clients:
    """All modules of async clients."""

    def __init__(self) -> None:
        self.modules = {name: Module(name) for name in MODULES if (SOURCE / "client" / f"{name}.py").exists()}
        self.home: dict[str, Module] = {}
        for module in self.modules.values():
            for name, node in module.classes.items():
                if not name.startswith("_") and self._is_mirrored(node):
                    self.home[name] = module

    def _is_mirrored(self, node: ast.ClassDef) -> bool:
        """Whether a class has something async, itself or from its bases."""
        is_async = any(isinstance(each, ast.AsyncFunctionDef) for each in node.body)
        return is_async or any(self.mentions(base) for base in node.bases)

    def of(self, module: Module) -> list[str]:
        """The mirrored classes of a module."""
        return [name for name, home in self.home.items() if home is module]

    def bases(self, name: str) -> list[str]:
        """A class and its mirrored bases, the nearest first."""
        node = self.home[name].classes[name]
        names = [base.value.id if isinstance(base, ast.Subscript) else base.id for base in node.bases]  # type: ignore[attr-defined]
        return [name, *(each for base in names if base in self.home for each in self.bases(base))]

    def method(self, name: str, attribute: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
        """The method of a class or its bases; None if the attribute is no method."""
        for each in self.bases(name):
            for node in self.home[each].classes[each].body:
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == attribute:
                    return node
        return None

    def mentions(self, annotation: ast.expr | None) -> bool:
        """Whether a type has a mirrored class in it."""
        return annotation is not None and any(name in self.home for name in names_in(annotation))


def has(node: ast.AST, decorator: str) -> bool:
    """Whether a function has a decorator."""
    return any(ast.unparse(each) == decorator for each in getattr(node, "decorator_list", ()))


def names_in(node: ast.AST | None) -> set[str]:
    """The names in an expression."""
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)} if node is not None else set()
