"""The environment variables and secrets that a start asks for: which are possible.

The runner sets the variables when it runs already, just before it loads the Sequence. So they hold for the Sequence
and for the processes it starts, and a variable that only a starting process reads would do nothing for the Sequence
itself: it is refused. ``--runner-envs`` sets those for all Instances.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from transform_hub.models import SecretFile
from transform_hub.protocol import MARK

MAX_VARIABLE = 128 * 1024 - 1
"""Bytes of ``NAME=value``: with one more Linux starts no process (MAX_ARG_STRLEN)."""

MAX_TOTAL = 1024 * 1024
"""Bytes of all variables, or of all secrets, of an Instance. Linux takes two MiB, arguments included."""

_READ_AT_START = re.compile(
    r"LD_.*|DYLD_.*|GLIBC_TUNABLES|PYTHON(?!BREAKPOINT$|ASYNCIODEBUG$).*|NODE_(OPTIONS|PATH|EXTRA_CA_CERTS)", re.DOTALL
)


def check(env: Mapping[str, str] | None, secrets: Mapping[str, str | SecretFile] | None) -> None:
    """Refuse variables that can't be set or would do nothing, and secrets that are none.

    Raises:
        ValueError: the text says which, and why; it has no value.
    """
    _check_names("env", env or {})
    for name, value in (env or {}).items():
        if defect := _defect(name, value):
            raise ValueError(f"env: {name} {defect}")
    _check_total("env", env or {})
    _check_names("secrets", secrets or {})
    _check_total("secrets", {name: each for name, each in (secrets or {}).items() if isinstance(each, str)})


def _defect(name: str, value: str) -> str | None:
    if name == MARK:
        return "is the id of the Instance, which the Hub sets"
    if _READ_AT_START.fullmatch(name):
        return (
            "is read when a process starts, and the runner has started by then: set it in the Sequence for the "
            "processes that it starts, or for all Instances with --runner-envs"
        )
    if "\0" in value:
        return "has a NUL byte in its value"
    if _size((name, value)) + 1 > MAX_VARIABLE:
        return f"is longer than {MAX_VARIABLE} bytes: give it as a secret"
    return None


def _check_names(field: str, names: Iterable[str]) -> None:
    for name in names:
        if not name:
            raise ValueError(f"{field}: a name is empty")
        # Not the whole name: with a "=" somebody has taken it for a pair.
        if "=" in name:
            begin = name.partition("=")[0]
            raise ValueError(f"{field}: a name must not contain '=', as the one that begins with {begin!r}")
        if "\0" in name:
            raise ValueError(f"{field}: a name has a NUL byte")


def _check_total(field: str, given: Mapping[str, str]) -> None:
    if sum(map(_size, given.items())) > MAX_TOTAL:
        raise ValueError(f"{field}: all together are longer than {MAX_TOTAL} bytes")


def _size(pair: tuple[str, str]) -> int:
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in pair) + 1
