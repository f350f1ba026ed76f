"""``si init``: a new Sequence from a template, with a test."""

from __future__ import annotations

import json
import re
import shlex
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from transform_hub.cli.command import App
from transform_hub.cli.exits import USAGE, CommandError
from transform_hub.cli.output import note, show

app = App(help="Create the folder of a new Sequence.")

TEMPLATES = {
    "map": "Python: a function for each line",
    "generator": "Python: an async generator",
    "consumer": "Python: reads a topic",
    "producer": "Python: writes a topic",
    "javascript": "JavaScript: an async generator",
}

IGNORED = "test_*.py\n"

# What the generator of STH's si calls them.
STH_NAMES = {"transformer": "map", "generator": "generator", "consumer": "consumer"}


@app.callback()
def init() -> None:
    pass


@app.command("sequence|seq")
def sequence(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[py|js] [TEMPLATE]", help=f"One of {', '.join(TEMPLATES)}.  [default: py map]"),
    ] = None,
    path: Annotated[Path, typer.Option("-p", "--path", help="Folder to create.")] = Path("sequence"),
) -> None:
    """Create a Sequence that runs at once: `si run FOLDER`.

    Its test needs only pytest: it starts a Hub of its own.
    """
    template = _template(words or [])
    if path.exists() and any(path.iterdir()):
        raise CommandError(f"{path} exists and is not empty: name another folder with --path")
    path.mkdir(parents=True, exist_ok=True)
    made = _fill(path, template)
    show({"path": str(path), "template": template, "files": made})
    typed = shlex.quote(str(path))
    note(f"Run it:   echo hello | si run {typed}\nTest it:  pytest {typed}")


def _template(words: list[str]) -> str:
    language = "js" if "js" in words else "py"
    rest = [word for word in words if word not in ("py", "js")]
    if "ts" in words or len(rest) > 1:
        raise CommandError(f"name a language, py or js, and one of {', '.join(TEMPLATES)}", code=USAGE)
    if language == "js":
        return "javascript"
    template = STH_NAMES.get(rest[0], rest[0]) if rest else "map"
    if template not in TEMPLATES:
        raise CommandError(f"there is no template {template!r}: take one of {', '.join(TEMPLATES)}", code=USAGE)
    return template


def _fill(path: Path, template: str) -> list[str]:
    sources = files("transform_hub.cli") / "templates" / template
    texts = {source.name: source.read_text(encoding="utf-8") for source in sources.iterdir() if source.is_file()}
    name = re.sub(r"[^a-z0-9._-]+", "-", path.resolve().name.lower()).strip("-.") or "sequence"
    # pytest needs unique names of test files, and users have several Sequences.
    texts[f"test_{re.sub('[.-]', '_', name)}.py"] = texts.pop("test_sequence.py")
    texts["package.json"] = _package_json(name, template)
    texts[".siignore"] = IGNORED
    for name, text in texts.items():
        (path / name).write_text(text, encoding="utf-8")
    return sorted(texts)


def _package_json(name: str, template: str) -> str:
    is_python = template != "javascript"
    description = {
        "name": name,
        "version": "1.0.0",
        "main": "main.py" if is_python else "index.js",
        "engines": {"python3": ">=3.10"} if is_python else {"node": ">=18"},
    }
    return json.dumps(description, indent=2) + "\n"
