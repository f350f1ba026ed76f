"""Testing Sequences: a pytest plugin with the fixture ``hub``, and the same Hub for other test runners.

Names are imported on first use: pytest loads the plugin in every project where this package is installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transform_hub.testing.local import LocalHub as LocalHub
    from transform_hub.testing.local import local_hub as local_hub

__all__ = ["LocalHub", "local_hub"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from transform_hub.testing import local  # noqa: PLC0415

    return getattr(local, name)
