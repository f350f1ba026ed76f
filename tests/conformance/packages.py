"""The packages of the recorded exchanges: their Sequences, in Python, and what is no package."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

from transform_hub.package import pack

SEQUENCES = Path(__file__).parent / "sequences"


def archive(files: dict[str, str]) -> bytes:
    """A tar.gz of these files, whatever it is good for."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content.encode()))
    return buffer.getvalue()


REFUSED = {
    "": b"",
    "garbage": gzip.compress(b"")[:4] + b"garbage",
    "no-package-json": archive({"index.js": ""}),
    "no-main": archive({"package.json": '{"name": "no-main"}', "index.js": ""}),
    "missing-js": archive({"package.json": '{"name": "missing", "main": "missing.js"}'}),
}


def package(name: str, *, javascript: bool = False) -> bytes:
    """The bytes that were sent under a name; with ``javascript`` the Sequence is in JavaScript where it was so."""
    if name in REFUSED:
        return REFUSED[name]
    name = f"js-{name}" if javascript and (SEQUENCES / f"js-{name}").exists() else name
    buffer = io.BytesIO()
    pack(SEQUENCES / name, buffer)
    return buffer.getvalue()
