"""Lets coverage.py, when it runs in this process, measure Sequences as well.

Each runner writes a data file of its own. Code of a Sequence runs where its Hub has unpacked it; the lines count for
the folder that it was sent from, and only if coverage is told to measure that.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transform_hub.client import delivery
from transform_hub.runner.measuring import SETTINGS

CONFIG = """\
[run]
branch = {branch}
parallel = true
data_file = {folder}/data
include = {data_dir}/*
omit = */__pypackages__/*
disable_warnings = no-data-collected,include-ignored
"""


@contextlib.contextmanager
def measured(data_dir: Path) -> Iterator[dict[str, str]]:
    """Measure Sequences that are sent from folders by this process.

    Args:
        data_dir: of their Hub.

    Yields:
        Environment variables for the runners. At the end the Hub has to be closed.
    """
    coverage = sys.modules.get("coverage")
    running = coverage.Coverage.current() if coverage is not None else None
    if running is None:
        yield {}
        return
    origins: dict[str, Path] = {}

    def note(folder: Path, sequence_id: str) -> None:
        origins[sequence_id] = folder.resolve()

    with tempfile.TemporaryDirectory(prefix="coverage-") as folder:
        settings = Path(folder, "settings")
        branch = bool(running.get_option("run:branch"))
        settings.write_text(CONFIG.format(branch=branch, folder=folder, data_dir=data_dir.resolve()), encoding="utf-8")
        delivery.observers.append(note)
        try:
            yield {SETTINGS: str(settings)}
        finally:
            delivery.observers.remove(note)
            for path in Path(folder).glob("data.*"):
                _add(running, path, data_dir.resolve(), origins)


def _add(running: Any, path: Path, data_dir: Path, origins: dict[str, Path]) -> None:
    """Add a runner's lines to what coverage measures in this process."""
    from coverage import CoverageData  # noqa: PLC0415

    found = CoverageData(basename=str(path))
    found.read()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is no data: here it comes
        data = running.get_data()
    for unpacked in found.measured_files():
        source = _source(Path(unpacked).relative_to(data_dir), origins)
        if source is None or not _is_wanted(running, str(source)):
            continue
        if found.has_arcs():
            data.add_arcs({str(source): found.arcs(unpacked) or []})
        else:
            data.add_lines({str(source): found.lines(unpacked) or []})
    found.close()


def _source(unpacked: Path, origins: dict[str, Path]) -> Path | None:
    for depth, part in enumerate(unpacked.parts, 1):
        if part in origins:
            return origins[part].joinpath(*unpacked.parts[depth:]).resolve()
    return None


def _is_wanted(running: Any, source: str) -> bool:
    """Whether coverage would measure this file, had it run in this process."""
    from coverage.files import GlobMatcher, prep_patterns  # noqa: PLC0415

    def matches(option: str) -> bool:
        return bool(GlobMatcher(prep_patterns(running.get_option(option) or [])).match(source))

    sources = running.get_option("run:source")
    if sources:
        wanted = any(Path(source).is_relative_to(os.path.realpath(each)) for each in sources)
    else:
        wanted = not running.get_option("run:include") or matches("run:include")
    return wanted and not matches("run:omit")
