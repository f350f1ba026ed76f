"""Measures a Sequence with coverage.py, where a test asks for it: see :mod:`transform_hub.testing.measuring`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

SETTINGS = "TRANSFORM_HUB_COVERAGE"
"""Environment variable: path of coverage's configuration. Not its own variable: it would measure the zygote as well."""

_measuring: Any = None


def begin() -> None:
    """Measure from now on, if this process is told to."""
    global _measuring  # noqa: PLW0603 - one per process, as the trace function
    settings = os.environ.pop(SETTINGS, None)
    if settings is None or not Path(settings).exists():  # a sandbox has no such file
        return
    import coverage  # noqa: PLC0415

    _measuring = coverage.Coverage(config_file=settings)
    _measuring.start()


def save() -> None:
    """Save what was measured so far; ``os._exit`` would lose it."""
    if _measuring is not None:
        _measuring.save()
