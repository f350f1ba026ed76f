"""package.json, profiles and configuration files: their own error, or what they say."""

import contextlib
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

from transform_hub.errors import PackageError, ProfileError
from transform_hub.package import read_package_json
from transform_hub.package.package_json import entrypoint
from transform_hub.profile import files

logging.disable()


def fuzz(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "package.json").write_bytes(data)
        (path / "main.py").write_bytes(b"")
        with contextlib.suppress(PackageError):
            package = read_package_json(path)
            assert isinstance(package.name, str | None)
            entrypoint(path, package)
        with contextlib.suppress(ProfileError):
            assert isinstance(files.read(path / "package.json"), dict)


def seeds() -> Iterator[bytes]:
    yield b'{"name": "a", "version": "1.0.0", "main": "main.py", "engines": {"python3": ">=3.10"}, "author": "b"}'
    yield b'{"main": "main", "keywords": ["a"], "repository": {"type": "git", "url": "u"}, "args": [1], "scramjet": {}}'
    yield b'\xef\xbb\xbf{"apiUrl": "http://127.0.0.1:8000/api/v1", "token": "t"}'
    yield b"[" * 5000
    yield b'{"a":' * 5000
