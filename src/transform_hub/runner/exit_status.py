"""Exit code and error of an Instance, from the exception that ended its Sequence."""

from __future__ import annotations

import re
import sys

from transform_hub.protocol import EXIT_FAILED, EXIT_OK

_LOOP = "run already runs in an event loop: make it `async def run` and await instead"

LONGEST = 64 * 1024
"""Characters of an error message; the rest is cut off."""


def describe(failure: BaseException) -> str:
    """Type and text of an exception, also of one whose ``__str__`` fails."""
    try:
        text = str(failure)
    except BaseException as error:  # noqa: BLE001 - whatever the Sequence's own __str__ raises
        text = f"<its __str__ raised {type(error).__name__}>"
    return (f"{type(failure).__name__}: {text}" if text else type(failure).__name__)[:LONGEST]


_REMEDIES = (
    (TypeError, r"'(Input|\w*Stream)' object is not iterable", "iterate with `async for`, in an `async def run`"),
    (RuntimeError, r"asyncio\.run\(\) cannot be called from a running event loop", _LOOP),
    (RuntimeError, r"(Cannot run the event loop while another|This event loop is already running)", _LOOP),
    (
        TypeError,
        r"(run|main)\(\) (takes|missing) ",
        "it is called as run(context, input, *args), with the args of the start",
    ),
    (
        ModuleNotFoundError,
        "",
        "is it missing in requirements.txt or pyproject.toml, or was the Sequence packed without it?",
    ),
    (
        RuntimeError,
        "There is no current event loop",
        "the thread has none: use context and input in the event loop of run",
    ),
)


def remedy(failure: BaseException) -> str:
    """What to do about a failure that many people meet; empty for others."""
    text = describe(failure).partition(": ")[2]
    found = (words for kind, pattern, words in _REMEDIES if isinstance(failure, kind) and re.match(pattern, text))
    return next(found, "")


def of_exit(exit_: SystemExit) -> tuple[int, str | None]:
    """What ``sys.exit`` in a Sequence means: None and 0 are success, text goes to stderr, as in Python."""
    if exit_.code is None:
        return EXIT_OK, None
    if isinstance(exit_.code, int):
        # Python's own exit code of an int that does not fit into a C long is -1.
        code = (exit_.code if -(2**63) <= exit_.code < 2**63 else -1) & 0xFF
        return code, f"sys.exit({_number(exit_.code)})" if code else None
    text = describe(exit_).partition(": ")[2]
    print(text, file=sys.stderr)  # noqa: T201 - what Python itself does
    return EXIT_FAILED, text


def _number(value: int) -> str:
    try:
        return str(value)
    except ValueError:  # more digits than Python converts
        return f"an int of {value.bit_length()} bits"
