"""What not every machine has: a test that needs it is skipped without it, or fails with REQUIRE_TOOLS=1."""

import importlib
import os
import shutil

import pytest

SYSTEM = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))
"""Where programs are; servers are often not on the PATH of users."""


def needs(name):
    """The package of that name."""
    try:
        return importlib.import_module(name)
    except ImportError:
        if os.environ.get("REQUIRE_TOOLS") == "1":
            raise
        pytest.skip(f"{name} is not installed: pip install -e '.[test-data]'", allow_module_level=True)


def needs_program(name):
    """The path of the program of that name."""
    path = shutil.which(name, path=SYSTEM)
    if path is None:
        words = f"{name} is not installed: apt-get install {name}"
        if os.environ.get("REQUIRE_TOOLS") == "1":
            pytest.fail(words, pytrace=False)
        pytest.skip(words, allow_module_level=True)
    return path
