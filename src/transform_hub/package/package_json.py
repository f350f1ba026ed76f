"""``package.json``: the description of a Sequence, and the file to run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from transform_hub.errors import PackageError
from transform_hub.package.refusals import shown

_PACKAGE_JSON_BYTES = 1 << 20


class PackageJson(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The fields of a ``package.json`` that describe a Sequence; others are dropped.

    Args:
        main: path of the file to run, relative to package.json; for JavaScript the extension is optional.
        name: the package's name.
        version: the package's version.
        engines: what the Sequence runs on, ``{"python3": ...}`` or ``{"node": ...}``.
        description: one sentence about it.
        author: who wrote it; npm's object form is turned into ``Name <email> (url)``.
        keywords: for searching.
        args: arguments it takes.
        repository: URL of its source, or an object with ``type`` and ``url``.
    """

    main: str
    name: str | None = None
    version: str | None = None
    engines: dict[str, str] | None = None
    description: str | None = None
    author: str | None = None
    keywords: list[str] | None = None
    args: list[Any] | None = None
    repository: str | dict[str, Any] | None = None

    @property
    def language(self) -> str:
        """``py`` or ``js`` by the engines, else the extension of ``main``, else ``unknown``."""
        engines = self.engines or {}
        by_engine = "py" if "python3" in engines else "js" if "node" in engines else ""
        return by_engine or PurePosixPath(self.main).suffix[1:] or "unknown"


def read_package_json(directory: str | os.PathLike[str]) -> PackageJson:
    """Read and check the ``package.json`` of an unpacked package.

    Args:
        directory: has the package.json.

    Returns:
        Its fields.

    Raises:
        PackageError: it is missing, not JSON, or does not describe a Sequence.
    """
    path = Path(directory, "package.json")
    if not _is_inside(path, directory):
        nested = [shown(path.parent.name) for path in Path(directory).glob("*/package.json")]
        where = f"; there is one in {nested[0]}" if nested else ""
        message = f"No package.json in the root of the package{where}"
        raise PackageError(message, code="no-package-json")
    try:
        with path.open("rb") as file:
            data = file.read(_PACKAGE_JSON_BYTES + 1)
    except OSError as error:
        raise PackageError(f"package.json can't be read ({error.strerror})", code="no-package-json") from None
    if len(data) > _PACKAGE_JSON_BYTES:
        raise PackageError(f"package.json has more than {_PACKAGE_JSON_BYTES} bytes", code="too-large")
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        data.decode()
        return _decode(msgspec.json.decode(data))
    except UnicodeDecodeError as error:
        raise _not_json("not UTF-8", data, error.start) from None
    except RecursionError:
        raise _not_json("nested too deep", data, None) from None
    except msgspec.DecodeError as error:
        reason, _, rest = str(error).removeprefix("JSON is malformed: ").partition(" (byte ")
        raise _not_json(reason, data, int(rest[:-1]) if rest else None) from None


def entrypoint(directory: str | os.PathLike[str], package: PackageJson) -> Path:
    """Find the file that ``main`` names.

    Except for Python it is found as Node.js does: the extension may be missing, or it is a directory with an
    ``index.js``.

    Args:
        directory: where the package is unpacked.
        package: its description.

    Returns:
        Path of the file, which is in the directory.

    Raises:
        PackageError: there is no such file in the directory.
    """
    main = package.main
    endings = ("",) if package.language == "py" else ("", ".js", ".mjs", ".cjs", "/index.js")
    if main and not main.startswith("/"):
        for ending in endings:
            path = Path(directory, main + ending)
            if _is_inside(path, directory):
                return path
    raise PackageError(
        f"Sequence entrypoint path {main[:200]} is invalid. Check `main` field in Sequence package.json",
        code="no-main",
    )


def _is_inside(path: Path, directory: str | os.PathLike[str]) -> bool:
    # Path.is_file raises for names that are too long; resolve raises for loops, which isfile has ruled out.
    return os.path.isfile(path) and path.resolve().is_relative_to(Path(directory).resolve())  # noqa: PTH113 - see above


# The checks below are STH's, in its words.


def _json(value: Any) -> str:
    text = "undefined" if value is msgspec.UNSET else msgspec.json.encode(value).decode()
    return text if len(text) <= 200 else text[:200] + "..."


def _string(value: Any) -> str | None:
    return None if isinstance(value, str) else f"{_json(value)} is not a valid string"


def _array(value: Any) -> str | None:
    return None if isinstance(value, list) else f"{_json(value)} is not a valid array"


def _keywords(value: Any) -> str | None:
    for index, word in enumerate(value if isinstance(value, list) else ()):
        if defect := _string(word):
            return f'<KeywordsDecoder> decoder failed at index "{index}" with error: {defect}'
    return _array(value)


def _engines(value: Any) -> str | None:
    if not isinstance(value, dict):
        return f"{_json(value)} is not a valid EnginesDecoder"
    for key, version in value.items():
        if defect := _string(version):
            return f'<EnginesDecoder> dictionary decoder failed at key "{key[:200]}" with error: {defect}'
    return None


def _repository(value: Any) -> str | None:
    if isinstance(value, str):
        return None
    if isinstance(value, dict):
        parts = (value.get("type"), value.get("url"), value.get("directory", ""))
        if all(isinstance(part, str) for part in parts):
            return None
    why = "can't be decoded with any of the provided oneOf decoders"
    return f"<repositoryDecoder> decoder failed because {_json(value)} {why}"


_CHECKS: dict[str, Callable[[Any], str | None]] = {
    "main": _string,
    "name": _string,
    "version": _string,
    "engines": _engines,
    "description": _string,
    "author": _string,
    "keywords": _keywords,
    "args": _array,
    "repository": _repository,
}


def _decode(value: Any) -> PackageJson:
    if not isinstance(value, dict | list):
        raise PackageError(f"{_json(value)} is not a valid SequencePackageJSON", code="invalid-package-json")
    fields = {key: value[key] for key in _CHECKS if key in value} if isinstance(value, dict) else {}
    fields["author"] = _author(fields.get("author"))
    for key, check in _CHECKS.items():
        given = fields.get(key, msgspec.UNSET if key == "main" else None)
        defect = check(given) if given is not None or key == "main" else None
        if defect:
            message = f'<SequencePackageJSON> decoder failed at key "{key}" with error: {defect}'
            raise PackageError(message, code="invalid-package-json")
    return PackageJson(**fields)


def _author(value: Any) -> Any:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return value
    forms = {"name": "{}", "email": "<{}>", "url": "({})"}
    return " ".join(form.format(value[key]) for key, form in forms.items() if isinstance(value.get(key), str))


def _not_json(reason: str, data: bytes, at: int | None) -> PackageError:
    before = data[:at]
    where = f"line {before.count(10) + 1}, column {len(before) - before.rfind(10)}"
    return PackageError(f"package.json is not valid JSON: {reason} ({where})", code="bad-package-json")
