"""Where in the Sequence's own files something came from."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from types import CodeType, TracebackType
from typing import Any

_RUNNER = str(Path(__file__).parent) + os.sep


def of_item(source: Any, run: Any) -> str:
    """Which line has given the latest item: `` (main.py, line 7)``, empty if that is not known.

    Args:
        source: the iterator over the output.
        run: the function that has returned it.
    """
    while (inner := getattr(source, "gi_yieldfrom", None)) is not None:
        source = inner
    frame = getattr(source, "gi_frame", None) or getattr(source, "ag_frame", None)
    if frame is not None:
        return _place(frame.f_code, frame.f_lineno)
    steps = getattr(getattr(source, "_pipeline", None), "_steps", None)
    code = getattr(steps[-1] if steps else run, "__code__", None)
    return "" if code is None else _place(code, code.co_firstlineno, code.co_name)


def _place(code: CodeType, line: int, name: str = "") -> str:
    return f" ({Path(code.co_filename).name}, line {line}{f', in {name}' if name else ''})"


def print_failure(failure: BaseException, remedy: str) -> None:
    """Print a traceback to stderr, without the runner's own frames before those of the Sequence, and what to do."""
    traceback.print_exception(type(failure), failure, of_sequence(failure.__traceback__))
    if remedy:
        print(f"Hint: {remedy}", file=sys.stderr)  # noqa: T201 - beside the traceback


def of_sequence(trace: TracebackType | None) -> TracebackType | None:
    """The part of a traceback that begins with the Sequence's own frames; empty if it has none."""
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_RUNNER):
        trace = trace.tb_next
    return trace
