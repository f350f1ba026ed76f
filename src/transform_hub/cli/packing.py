"""Packing a Sequence's folder together with its dependencies.

    Python        requirements.txt, or the dependencies of pyproject.toml, go into __pypackages__
    JavaScript    the dependencies of package.json go into node_modules

Dependencies are installed into a copy: the folder itself is never written to. A folder that has __pypackages__ or
node_modules already is packed as it is.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from transform_hub.cli.exits import NOT_FOUND, CommandError
from transform_hub.cli.output import note
from transform_hub.errors import PackageError
from transform_hub.hub.runtimes import interpreter
from transform_hub.package import Packed, pack, read_package_json, unpack
from transform_hub.package.version_range import is_in_range

VENDORED = {"py": "__pypackages__", "js": "node_modules"}


@dataclass(frozen=True)
class Made:
    """What was packed.

    Attributes:
        packed: files and sizes.
        dependencies: name and version of each that was installed.
    """

    packed: Packed
    dependencies: tuple[str, ...] = ()


def make(
    folder: Path,
    target: Path | BinaryIO,
    *,
    dependencies: bool = True,
    python: str | None = None,
    cache: Path | None = None,
    before_installing: Callable[[], object] = lambda: None,
) -> Made:
    """Pack a folder together with its dependencies.

    Args:
        folder: has the package.json.
        target: path of the package, or a file to write to.
        dependencies: install them.
        python: version of Python to install for, like ``3.12``; by default that of this process.
        cache: folder that keeps the dependencies for the next time, if there is one.
        before_installing: called when there are dependencies to install, which may take minutes.

    Raises:
        CommandError: a dependency can't be installed.
        PackageError: the folder can't be packed.
    """
    language = _language(folder)
    wanted = _wanted(folder, language) if dependencies and language in VENDORED else None
    if wanted is None:
        return Made(pack(folder, target))
    if language == "py":
        python = python or ".".join(map(str, sys.version_info[:2]))
        _require_engine(folder, python)
    with _copy(folder, target) as copy:
        kept = cache / _key(folder, language, wanted, python) if cache else None
        vendored = copy / VENDORED[language]
        if kept is not None and kept.exists():
            shutil.copytree(kept, vendored, symlinks=True)
        else:
            before_installing()
            if language == "py":
                _install_python(folder, vendored, wanted, python or "")
            else:
                _install_javascript(copy)
        if kept is not None and vendored.exists() and not kept.exists():
            shutil.copytree(vendored, kept, symlinks=True)
        return Made(pack(copy, target), tuple(_installed(copy, language)))


def _language(folder: Path) -> str:
    if not folder.exists():
        raise CommandError(f"there is no {folder}: name the folder of a Sequence", code=NOT_FOUND)
    if not folder.is_dir():
        return ""  # pack() says what is wrong
    if not (folder / "package.json").exists():
        made = f"si init sequence --path {shlex.quote(str(folder))}"
        raise CommandError(f"{folder} has no package.json: name the folder of a Sequence, or make one with `{made}`")
    try:
        return read_package_json(folder).language
    except PackageError as error:
        raise CommandError(f"{folder}: {error}") from None


def _wanted(folder: Path, language: str) -> list[str] | None:
    """Arguments for pip; None if there is nothing to install."""
    if (folder / VENDORED[language]).exists():
        note(f"{VENDORED[language]} is packed as it is")
        return None
    if language == "js":
        return [] if _json(folder / "package.json").get("dependencies") else None
    requirements = folder / "requirements.txt"
    if requirements.exists():
        return ["-r", str(requirements.resolve())] if requirements.read_bytes().strip() else None
    return _dependencies_of(folder / "pyproject.toml") or None


def _dependencies_of(pyproject: Path) -> list[str]:
    if not pyproject.exists():
        return []
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        project = tomllib.loads(pyproject.read_text(encoding="utf-8-sig")).get("project", {})
    except ValueError as error:
        raise CommandError(f"{pyproject} is not TOML: {error}") from None
    return [str(each) for each in project.get("dependencies", [])]


def _key(folder: Path, language: str, wanted: list[str], python: str | None) -> str:
    """The same for the same dependencies."""
    requirements = folder / "requirements.txt"
    named = requirements.read_text(encoding="utf-8", errors="replace") if "-r" in wanted else ""
    described = _json(folder / "package.json").get("dependencies") if language == "js" else None
    text = json.dumps([language, wanted, python, named, described], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


@contextlib.contextmanager
def _copy(folder: Path, target: Path | BinaryIO) -> Iterator[Path]:
    """A copy of what would be packed, with an ignore file that keeps what is installed there."""
    output = target.resolve() if isinstance(target, Path) else None
    with tempfile.TemporaryDirectory(prefix="si-pack-") as place:
        archive, copy = Path(place, "package.tar.gz"), Path(place, folder.resolve().name or "sequence")
        pack(folder, archive)
        unpack(archive, copy)
        if output and output.is_relative_to(folder.resolve()):
            (copy / output.relative_to(folder.resolve())).unlink(missing_ok=True)  # an earlier package
        rules = copy / ".siignore"
        if rules.exists():
            kept = [line for line in rules.read_text(encoding="utf-8-sig").splitlines() if line.startswith("!")]
            rules.write_text("\n".join(kept))
        yield copy


def _require_engine(folder: Path, python: str) -> None:
    """Refuse to install for a version that no Hub would run the Sequence with."""
    engines = _json(folder / "package.json").get("engines") or {}
    wanted = engines.get("python3", "*") if isinstance(engines, dict) else "*"
    with contextlib.suppress(ValueError):  # the Hub says that it is no range
        if not is_in_range(python, str(wanted)):
            raise CommandError(
                f"the dependencies would be for Python {python}, but package.json says that the Sequence runs on "
                f"{wanted}: pass --python with a version that it runs on, or change engines.python3"
            )


def _install_python(folder: Path, target: Path, wanted: list[str], version: str) -> None:
    own = ".".join(map(str, sys.version_info[:2]))
    if uv := shutil.which("uv"):
        command = [uv, "pip", "install", "--quiet", "--target", str(target), "--python", sys.executable]
        command += ["--python-version", version] if version != own else []
    else:
        command = [*interpreter.command("pip"), "install", "--quiet", "--disable-pip-version-check"]
        command += ["--no-compile", "--target", str(target)]
        # Wheels that are built here would be for this Python.
        command += ["--python-version", version, "--only-binary=:all:"] if version != own else []
    note(f"Installing dependencies for Python {version}")
    _run([*command, *wanted], folder, "the dependencies can't be installed")


def _install_javascript(copy: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise CommandError("npm is needed for the dependencies of a JavaScript Sequence: install it, or pass --no-deps")
    note("Installing dependencies with npm")
    _run(
        [npm, "install", "--omit=dev", "--install-links", "--no-audit", "--no-fund"],
        copy,
        "the dependencies can't be installed",
    )


def _run(command: list[str], folder: Path, failure: str) -> None:
    done = subprocess.run(  # noqa: S603 - pip, uv or npm
        command, cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise CommandError(f"{failure}; {Path(command[0]).name} says:\n{said}")


def _installed(copy: Path, language: str) -> Iterator[str]:
    folder = copy / VENDORED[language]
    if language == "py":
        for info in sorted(folder.glob("*.dist-info")):
            name, _, version = info.name.removesuffix(".dist-info").rpartition("-")
            yield f"{name} {version}"
        return
    for manifest in sorted([*folder.glob("*/package.json"), *folder.glob("@*/*/package.json")]):
        described = _json(manifest)
        yield f"{described.get('name', manifest.parent.name)} {described.get('version', '')}".strip()


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{path} is not JSON: {error}") from None
    return value if isinstance(value, dict) else {}
