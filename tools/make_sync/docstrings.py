"""Docstrings of sync clients, from those of the async ones."""

from __future__ import annotations

import ast
import re
import textwrap

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


def indented(text: str) -> str:
    """One level deeper; the insides of docstrings are that deep already."""
    lines = iter(text.splitlines(keepends=True))
    out, inside = [], False
    for line in lines:
        out.append(line if inside or not line.strip() else f"    {line}")
        if line.count('"""') == 1:
            inside = not inside
    return "".join(out)
