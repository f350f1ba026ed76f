"""Writes the modules of ``transform_hub.sync``, one for each module of async clients: ``make sync``.

A sync class stands for an async one (see ``transform_hub/sync/mirror.py``), and has its signatures and docstrings:

    coroutine                   runs in the portal
    function                    called as it is if it makes clients or streams, else in the portal
    async generator             the same code without async and await: lines are cut in the caller's thread
    property, attribute         a property
    __aenter__, __aexit__       __enter__, __exit__
    __await__                   open()

Clients and streams in results are mirrored; what a user hands over (data, tokens, callbacks) goes through
``transform_hub/sync/given.py``. Anything that these rules do not cover stops the generator.
"""

from __future__ import annotations

import ast
import builtins
import copy
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src" / "transform_hub"
MODULES = [
    "api", "logged", "readable", "reader", "follower", "writer", "duplex", "topic", "instance", "sequence", "host",
    "pages", "manager", "multi_manager", "middleware",
]  # fmt: skip
STREAMS = {"Reader", "Readable", "Writer"}
"""Classes that hold a connection, and close it when they are dropped."""

INTERNAL = {"path", "transport"}
"""Attributes that are none of a user's business, although no underscore says so."""

MIRRORS = {"__init__", "__repr__", "__eq__", "__hash__"}
"""Methods that all mirrors have."""

GIVEN = {"Sendable": "sendable", "Token": "token_of", "Progress": "progress_of"}
"""Types of arguments, and the function of ``given.py`` that they go through."""

SUPPORT = {
    **dict.fromkeys(("Mirror", "MirroredStream", "called", "mirror", "original"), "transform_hub.sync.mirror"),
    **dict.fromkeys((*GIVEN.values(), "options_of"), "transform_hub.sync.given"),
    **dict.fromkeys(("Iterable", "Iterator"), "collections.abc"),
}

WORDING = {
    "opened when it is first awaited, entered": "opened when it is first entered",
    "opened when first awaited, entered": "opened when first entered",
    "It can be used in any event loop, and in several one after the other. ``async with`` or ``close()`` closes "
    "its connections at once; otherwise they are closed with their event loop.": "It can be used in several threads "
    "at once. ``with`` or ``close()`` closes its connections at once; otherwise they are closed when the program ends.",
    "or a function, sync or async, that returns a fresh one. It is called for each request, and": "or a function "
    "that returns a fresh one. It is called for each request, in the thread that makes it, and",
    "Close the connections made in this event loop.": "Close the connections.",
    "await it to have all of it, or iterate over it": "iterate over it, or make a list of it",
}
"""What docstrings say of async objects, and what is said of sync ones."""


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
        """Whether people make one themselves; others come from clients."""
        node = self.clients.method(self.name, "__init__")
        used = {name for arg in every_argument(node.args) for name in names_in(arg.annotation)} if node else set()
        return not used & {"Transport", "Callable"}

    def _head(self) -> str:
        bases = [base for base in self.node.bases if ast.unparse(base) != "ABC"]
        if not any(self.clients.mentions(base) for base in bases):
            bases.insert(0, ast.Name("MirroredStream" if self.name in STREAMS else "Mirror"))
        listed = ", ".join(map(ast.unparse, bases))
        doc = docstring(self.node, is_constructed=self.is_constructed)
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
        if is_generator(node):
            return self._transcribed(node)
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
        return node.name in MIRRORS or (is_private and not is_generator(node))

    def _decorators(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
        return "".join(f"@{each}\n" for each in ("classmethod", "staticmethod") if has(node, each))

    def _signature(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
        assert node.returns is not None, f"{self.name}.{node.name} has no return type"
        name = {"__aenter__": "__enter__", "__aexit__": "__exit__", "__aiter__": "__iter__"}.get(node.name, node.name)
        returns = re.sub(r"\bAsync(Iterator|Iterable)\b", r"\1", ast.unparse(node.returns))
        return f"def {name}({ast.unparse(node.args)}) -> {returns}:"

    def _open(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
        body = "    self._run(self._async.__aenter__())\n    return self\n"
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
            call = f"self._leave({call})" if leaves else f"self._run({call})"
        elif has(node, "classmethod") and returns in ("Self", self.name):
            call = f"cls._of({call})"
        elif not makes and not has(node, "staticmethod"):
            call = f"self._run(called({', '.join(filter(None, (method, arguments)))}))"
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
        for kind, function in GIVEN.items():
            if kind in names:
                return f"{function}({arg.arg})"
        if {"Callable", "Awaitable", "AsyncIterable"} & names:
            raise SystemExit(f"{self.name}: nobody says in which thread {arg.arg!r} runs")
        return f"original({arg.arg})" if self.clients.mentions(arg.annotation) else arg.arg

    def _transcribed(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
        plain = ast.fix_missing_locations(Plain(self.name, self.clients).visit(copy.deepcopy(node)))
        body = plain.body[1:] if ast.get_docstring(node) else plain.body
        text = "".join(textwrap.indent(ast.unparse(each), "    ") + "\n" for each in body)
        return indented(f"{self._signature(node)}\n{docstring(node)}{text}")


class Plain(ast.NodeTransformer):
    """Takes async and await out of the code of one method."""

    def __init__(self, name: str, clients: Clients) -> None:
        self.name = name
        self.clients = clients

    def visit_Await(self, node: ast.Await) -> ast.expr:
        call = ast.unparse(node.value)
        if not isinstance(node.value, ast.Call) or not call.startswith("self."):
            raise SystemExit(f"{self.name}: only methods of its own can be awaited in a generator, not {call}")
        inner = self.generic_visit(copy.deepcopy(node.value))
        return ast.parse(f"self._run({ast.unparse(inner)})", mode="eval").body

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.stmt:
        return self.visit_For(ast.For(**{field: getattr(node, field) for field in ast.For._fields}))

    def visit_For(self, node: ast.For) -> ast.stmt:
        self.generic_visit(node)
        if ast.unparse(node.body[0]) == f"yield {ast.unparse(node.target)}":
            return ast.Expr(ast.YieldFrom(node.iter))
        return node

    def visit_AsyncWith(self, node: ast.AsyncWith) -> ast.With:
        self.generic_visit(node)
        return ast.With(**{field: getattr(node, field) for field in ast.With._fields})

    def visit_comprehension(self, node: ast.comprehension) -> ast.comprehension:
        self.generic_visit(node)
        node.is_async = 0
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        self.generic_visit(node)
        if not (isinstance(node.value, ast.Name) and node.value.id == "self"):
            return node
        method = self.clients.method(self.name, node.attr)
        if method is not None and is_generator(method):
            return node
        return ast.Attribute(ast.Attribute(ast.Name("self"), "_async"), node.attr)


def has(node: ast.AST, decorator: str) -> bool:
    """Whether a function has a decorator."""
    return any(ast.unparse(each) == decorator for each in getattr(node, "decorator_list", ()))


def is_generator(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether calling it gives an async generator."""
    return isinstance(node, ast.AsyncFunctionDef) and any(isinstance(each, ast.Yield) for each in ast.walk(node))


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


def names_in(node: ast.AST | None) -> set[str]:
    """The names in an expression."""
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)} if node is not None else set()


def indented(text: str) -> str:
    """One level deeper; the insides of docstrings are that deep already."""
    lines = iter(text.splitlines(keepends=True))
    out, inside = [], False
    for line in lines:
        out.append(line if inside or not line.strip() else f"    {line}")
        if line.count('"""') == 1:
            inside = not inside
    return "".join(out)


def docstring(node: ast.AST, *, is_constructed: bool = True) -> str:
    """The docstring of a sync object, as it stands in the source."""
    doc = ast.get_docstring(node, clean=False)  # type: ignore[arg-type]
    if doc is None:
        return ""
    for said, told in WORDING.items():
        doc = re.sub(r"\s+".join(map(re.escape, said.split())), lambda found, told=told: filled(found[0], told), doc)
    doc = "\n".join(map(wrapped, doc.split("\n")))
    doc = re.sub(r"\b(async (?=with|for)|await )", "", doc)
    if not is_constructed:
        doc = re.sub(r"\n    Args:\n(?:        .*\n)+", "", doc)
    if found := re.search(r".*\b(async|await\w*|event loop)\b.*", doc):
        raise SystemExit(f"A docstring that does not fit a sync client, see WORDING:\n{found[0]}")
    return f'    {"r" if chr(92) in doc else ""}"""{doc}"""\n'


def filled(said: str, told: str) -> str:
    """A new wording, with a line break where the old one had its first."""
    first, broken, rest = said.partition("\n")
    if not broken:
        return told
    split = told.rfind(" ", 0, len(first) + 1)
    return f"{told[:split]}\n{' ' * (len(rest) - len(rest.lstrip()))}{told[split + 1 :]}"


def wrapped(line: str) -> str:
    """A line of a docstring, in several if it has become too long."""
    if len(line) <= 116:
        return line
    indent = " " * (len(line) - len(line.lstrip()))
    hanging = "    " if re.match(r" +\w+: ", line) else ""
    return textwrap.fill(line, 116, subsequent_indent=indent + hanging)


def module_source(module: Module, clients: Clients) -> str:
    """The source of a sync module."""
    classes = "\n\n".join(SyncClass(name, clients).source() for name in clients.of(module))
    doc = (ast.get_docstring(module.tree, clean=False) or "").rstrip()
    imports, late = imports_of(classes, module, clients)
    checking = f"if TYPE_CHECKING:\n{textwrap.indent(late, '    ')}\n" if late else ""
    return (
        f'"""{doc}\n\nMade by tools/make_sync.py of transform_hub.client.{module.name}: edit that, and run'
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


def main() -> None:
    written = sources()
    for path, text in written.items():
        path.write_text(text)
    ruff = [sys.executable, "-m", "ruff"]
    subprocess.run([*ruff, "check", "--quiet", "--fix", "--select", "I", *written], check=True)  # noqa: S603
    subprocess.run([*ruff, "format", "--quiet", *written], check=True)  # noqa: S603


if __name__ == "__main__":
    main()
