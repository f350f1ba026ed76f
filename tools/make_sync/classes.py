"""Sync classes, from async ones."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator

from make_sync.clients import Clients, has, names_in
from make_sync.docstrings import docstring, indented

BASES = {"Readable": "MirroredReadable", "Writer": "MirroredStream"}
"""Classes that hold a connection, and close it when they are dropped; others have the base Mirror."""

INTERNAL = {"path", "transport"}
"""Attributes without an underscore that users don't need."""

MIRRORS = {"__init__", "__repr__", "__eq__", "__hash__"}
"""Methods that all mirrors have."""

HANDOVER = {"Sendable": "sendable", "Token": "token_of", "Progress": "progress_of"}
"""Types of arguments, and the function of ``handover.py`` that they go through."""


class SyncClass:
    """The source of one sync class."""

    def __init__(self, name: str, clients: Clients) -> None:
        self.name = name
        self.clients = clients
        self.node = clients.home[name].classes[name]
        self.overloaded = {node.name for node in self.node.body if has(node, "overload")}  # type: ignore[attr-defined]

    def source(self) -> str:
        """Head, docstring, constructor, attributes and methods."""
        parts = [self._head(), f"    _async: {self._native_type()}\n"]
        if self.is_constructed:
            parts.append(self._constructor())
        parts += self._attributes()
        parts += [text for node in self.node.body if (text := self._method(node))]
        return "\n".join(parts)

    @property
    def is_constructed(self) -> bool:
        """Whether users make one themselves; other objects come from clients."""
        node = self.clients.method(self.name, "__init__")
        used = {name for arg in every_argument(node.args) for name in names_in(arg.annotation)} if node else set()
        return not used & {"Transport", "Callable"}

    def _head(self) -> str:
        bases = [base for base in self.node.bases if ast.unparse(base) != "ABC"]
        if not any(self.clients.mentions(base) for base in bases):
            bases.insert(0, ast.Name(BASES.get(self.name, "Mirror")))
        listed = ", ".join(map(ast.unparse, bases))
        doc = docstring(self.node)
        return f"class {self.name}({listed}, of=native.{self.name}):\n{doc}"

    def _native_type(self) -> str:
        generic = [ast.unparse(base.slice) for base in self.node.bases if ast.unparse(base).startswith("Generic[")]  # type: ignore[attr-defined]
        return f"native.{self.name}" + (f"[{generic[0]}]" if generic else "")

    def _constructor(self) -> str:
        node = next((node for node in self.node.body if getattr(node, "name", "") == "__init__"), None)
        if not isinstance(node, ast.FunctionDef):
            return ""
        made = f"self._native_class({self._forwarded(node)})"
        return indented(f"def __init__({ast.unparse(node.args)}) -> None:\n    self._stand_for({made})\n")

    def _attributes(self) -> Iterator[str]:
        init = next((node for node in self.node.body if getattr(node, "name", "") == "__init__"), None)
        types = {arg.arg: arg.annotation for arg in every_argument(init.args)} if init else {}  # type: ignore[attr-defined]
        for node in init.body if init else ():  # type: ignore[attr-defined]
            for target in getattr(node, "targets", [getattr(node, "target", None)]):
                owner, _, name = ast.unparse(target).partition(".") if target else ("", "", "")
                if owner != "self" or not name.isidentifier() or name.startswith("_") or name in INTERNAL:
                    continue
                kind = getattr(node, "annotation", None) or type_of(node.value, types)
                yield self._property(name, ast.unparse(kind), mirrored=self.clients.mentions(kind))

    def _property(self, name: str, kind: str, *, mirrored: bool, doc: str = "") -> str:
        value = f"mirror(self._async.{name})" if mirrored else f"self._async.{name}"
        return indented(f"@property\ndef {name}(self) -> {kind}:\n{doc}    return {value}\n")

    def _method(self, node: ast.stmt) -> str:
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or self._is_left_out(node):
            return ""
        if node.name == "__await__":
            return self._open(node)
        if has(node, "overload"):
            return indented(f"@overload\n{self._signature(node)} ...\n")
        if iterates(node):
            return indented(f"{self._signature(node)}\n{docstring(node)}{body_of(node)}")
        if has(node, "property"):
            mirrored = self.clients.mentions(node.returns)
            return self._property(node.name, ast.unparse(node.returns), mirrored=mirrored, doc=docstring(node))  # type: ignore[arg-type]
        return indented(self._decorators(node) + self._signature(node) + "\n" + docstring(node) + self._body(node))

    def _is_left_out(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        if node.name == "__await__":  # of a result that is no stream, as it can be iterated over
            return not ast.unparse(node.returns).endswith("Self]")  # type: ignore[arg-type]
        if any("Transport" in names_in(arg.annotation) for arg in every_argument(node.args)):
            return True
        is_private = node.name.startswith("_") and not node.name.startswith("__")
        return node.name in MIRRORS or is_private

    def _decorators(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
        return "".join(f"@{each}\n" for each in ("classmethod", "staticmethod") if has(node, each))

    def _signature(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
        assert node.returns is not None, f"{self.name}.{node.name} has no return type"
        name = {"__aenter__": "__enter__", "__aexit__": "__exit__", "__aiter__": "__iter__"}.get(node.name, node.name)
        returns = re.sub(r"\bAsync(Iterator|Iterable)\b", r"\1", ast.unparse(node.returns))
        return f"def {name}({ast.unparse(node.args)}) -> {returns}:"

    def _open(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
        body = "    self._run(self._async.__aenter__)\n    return self\n"
        return indented("def open(self) -> Self:\n" + docstring(node) + body)

    def _body(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
        returns = ast.unparse(node.returns)  # type: ignore[arg-type]
        is_async, makes = isinstance(node, ast.AsyncFunctionDef), self.clients.mentions(node.returns)
        lines = []
        of = f"native.{self.name}" if has(node, "classmethod") or has(node, "staticmethod") else "self._async"
        if node.name in self.overloaded:
            lines, of = [f"native: Any = {of}"], "native"  # its arguments fit the overloads only together
        method, arguments = f"{of}.{node.name}", self._forwarded(node)
        call = f"{method}({arguments})"
        if is_async:
            leaves = node.name == "__aexit__" or (node.name == "close" and returns == "None")
            call = f"self.{'_leave' if leaves else '_run'}({', '.join(filter(None, (method, arguments)))})"
        elif has(node, "classmethod") and returns in ("Self", self.name):
            call = f"cls._of({call})"
        elif not makes and not has(node, "staticmethod"):
            call = f"self._run({', '.join(filter(None, ('called', method, arguments)))})"
        if returns == "Self" and is_async:
            lines += [call, "return self"]
        elif returns == "None":
            lines.append(call)
        else:
            lines.append(f"return mirror({call})" if makes else f"return {call}")
        return "".join(f"    {line}\n" for line in lines)

    def _forwarded(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
        own = [] if has(node, "staticmethod") else [node.args.args[0].arg]
        given = [self._given(arg) for arg in node.args.args if arg.arg not in own]
        given += [f"*{node.args.vararg.arg}"] if node.args.vararg else []
        given += [f"{arg.arg}={self._given(arg)}" for arg in node.args.kwonlyargs]
        given += [f"**options_of({node.args.kwarg.arg})"] if node.args.kwarg else []
        return ", ".join(given)

    def _given(self, arg: ast.arg) -> str:
        names = names_in(arg.annotation)
        for kind, function in HANDOVER.items():
            if kind in names:
                return f"{function}({arg.arg})"
        if {"Callable", "Awaitable", "AsyncIterable"} & names:
            raise SystemExit(f"{self.name}: in which thread does {arg.arg!r} run?")
        return f"original({arg.arg})" if self.clients.mentions(arg.annotation) else arg.arg


def iterates(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether calling it gives an iterator."""
    return ast.unparse(node.returns or ast.Constant(None)).startswith("AsyncIterator[")


def body_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """The statements of a function, without its docstring."""
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return "".join(textwrap.indent(ast.unparse(each), "    ") + "\n" for each in body)


def every_argument(args: ast.arguments) -> list[ast.arg]:
    """Positional and keyword-only ones."""
    return [*args.args, *args.kwonlyargs]


def type_of(value: ast.expr, arguments: dict[str, ast.expr | None]) -> ast.expr:
    """The type of what a constructor keeps."""
    if isinstance(value, ast.Name) and (annotation := arguments.get(value.id)):
        return annotation
    if isinstance(value, ast.Constant) and value.value is not None:
        return ast.Name(type(value.value).__name__)
    raise SystemExit(f"What type has {ast.unparse(value)}? Annotate it")
