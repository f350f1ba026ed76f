"""The standard descriptors, 0 to 2."""

from __future__ import annotations

import os
import sys


def open_standard() -> None:
    """Open those that were closed by who started us, as the null device.

    What is opened next would take their numbers otherwise, and what is written to them. Python has no files for them.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - for good
