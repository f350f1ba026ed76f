"""Packages that not every machine has: a test that needs one is skipped without it, or fails with REQUIRE_TOOLS=1."""

import importlib
import os

import pytest


def needs(name):
    """The package of that name."""
    try:
        return importlib.import_module(name)
    except ImportError:
        if os.environ.get("REQUIRE_TOOLS") == "1":
            raise
        pytest.skip(f"{name} is not installed: pip install -e '.[test-data]'", allow_module_level=True)
