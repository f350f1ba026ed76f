"""The recorded exchanges with STH, replayed against the Hub: all that differs is listed, with a reason.

`make docs` puts the table into docs/compatibility.md; without it, a table that is out of date fails.
"""

import json
import os
import shutil
from pathlib import Path

import aiohttp
import pytest
import report
from replay import Replay

from transform_hub.hub.server import serve

RECORDED = sorted(Path(__file__).parent.glob("[0-9]*.json"))


async def replayed(folder, *, javascript):
    """What all recorded exchanges came to; those of one file have a Hub of their own if it says so."""
    results = []
    async with aiohttp.ClientSession() as session, serve(data_dir=folder / "shared", retention_ms=600_000) as hub:
        shared = Replay(hub, session, javascript=javascript)
        for file in RECORDED:
            recorded = json.loads(file.read_text())
            if "hub" not in recorded:
                results += [await shared.play(exchange) for exchange in recorded["exchanges"]]
                continue
            async with serve(data_dir=folder / file.stem, **recorded["hub"]) as own:
                replay = Replay(own, session, javascript=javascript)
                results += [await replay.play(exchange) for exchange in recorded["exchanges"]]
    return results


@pytest.mark.slow
async def test_recorded_exchanges(tmp_path):
    results = await replayed(tmp_path, javascript=False)
    listed = report.deliberate()
    assert report.unexplained(results, listed) == []
    assert report.stale(results, listed) == []
    part = report.document(results, listed)
    if os.environ.get("WRITE_DOCS"):
        report.write(part)
    assert report.committed() == part, "docs/compatibility.md is out of date: run `make docs`"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("node") is None, reason="JavaScript Sequences need node")
async def test_recorded_exchanges_with_javascript_sequences(tmp_path):
    assert report.unexplained(await replayed(tmp_path, javascript=True), report.deliberate()) == []


def test_names_of_exchanges_and_differences_are_unique():
    names = [exchange["name"] for file in RECORDED for exchange in json.loads(file.read_text())["exchanges"]]
    assert len(names) == len(set(names)) > 200
    listed = [difference.name for difference in report.deliberate()]
    assert len(listed) == len(set(listed))
