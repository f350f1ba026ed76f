"""The standard descriptors, 0 to 2."""

from __future__ import annotations

import os
import sys


def open_standard() -> None:
    """Open standard descriptors that are closed on the null device.

    Otherwise the next file would get their numbers, and what is printed. Python has no file objects for them.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - for good
