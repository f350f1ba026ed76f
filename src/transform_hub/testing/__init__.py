"""Testing Sequences: a pytest plugin with the fixture ``hub``, the same Hub for other test runners, and fakes for none.

Names are imported on first use: pytest loads the plugin in every project where this package is installed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transform_hub.testing.fake_context import FakeContext as FakeContext
    from transform_hub.testing.fake_input import input_of as input_of
    from transform_hub.testing.local import LocalHub as LocalHub
    from transform_hub.testing.local import local_hub as local_hub

_HOME = {"FakeContext": "fake_context", "LocalHub": "local", "input_of": "fake_input", "local_hub": "local"}

__all__ = sorted(_HOME)  # noqa: PLE0605 - the table above is the one list of public names


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
