"""The Sequences that the scenarios run."""

from __future__ import annotations

import io
import json
import textwrap
from pathlib import Path

from transform_hub.package import pack

ECHO = """
    async def run(context, input):
        async for chunk in input:
            yield chunk
"""
"""Gives back what it gets, as it comes."""

NOTHING = """
    def run(context, input):
        return None
"""

WAITING = """
    import asyncio

    async def run(context, input):
        await asyncio.Event().wait()
"""


def package(folder: Path, source: str, *, name: str = "stress", ballast: bytes = b"") -> bytes:
    """The bytes of a package with this source."""
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    (place / "main.py").write_text(textwrap.dedent(source))
    (place / "ballast").write_bytes(ballast)
    fields = {"name": name, "version": "1.0.0", "main": "main.py", "engines": {"python3": ">=3.10"}}
    (place / "package.json").write_text(json.dumps(fields))
    archive = io.BytesIO()
    pack(place, archive)
    return archive.getvalue()
