"""Docstrings of sync clients: those of the async ones, with examples that don't await."""

from __future__ import annotations

import ast
import re


def docstring(node: ast.AST) -> str:
    """The docstring of a sync object, as it stands in the source."""
    doc = ast.get_docstring(node, clean=False)  # type: ignore[arg-type]
    if doc is None:
        return ""
    doc = re.sub(r"(?m)^ *(>>>|\.\.\.) .*", lambda line: re.sub(r"\b(async (?=with|for)|await )", "", line[0]), doc)
    if found := re.search(r".*\b(await\w*|event loop)\b.*", doc):
        raise SystemExit(f"This docstring does not fit a sync client, reword it:\n{found[0]}")
    return f'    {"r" if chr(92) in doc else ""}"""{doc}"""\n'


def indented(text: str) -> str:
    """One level deeper; the insides of docstrings are that deep already."""
    lines = iter(text.splitlines(keepends=True))
    out, inside = [], False
    for line in lines:
        out.append(line if inside or not line.strip() else f"    {line}")
        if line.count('"""') == 1:
            inside = not inside
    return "".join(out)
