"""The pytest plugin. pytest always loads it, so slow imports wait until a test uses the fixture."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from transform_hub.testing.local import LocalHub

SHOWN = 10
"""Instances in a report: the latest."""


@pytest.fixture
def hub_settings() -> dict[str, Any]:
    """Settings for the fixture ``hub``, fields of :class:`transform_hub.hub.config.HubConfig`: override it."""
    return {}


@pytest.fixture
def hub(hub_settings: dict[str, Any]) -> Iterator[LocalHub]:
    """A Transform Hub for this test alone: ``hub.run(...)``, ``hub.start(...)``, ``hub.client``, ``hub.connect()``."""
    from transform_hub.testing.local import local_hub  # noqa: PLC0415

    with local_hub(**hub_settings) as running:
        yield running


def _running() -> list[LocalHub]:
    local = sys.modules.get("transform_hub.testing.local")
    return local.RUNNING if local is not None else []


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Forget the Instances of earlier tests on shared Hubs."""
    for running in _running():
        running.records.clear()


@pytest.hookimpl(hookwrapper=True)  # this older way works with any version of pytest
def pytest_runtest_makereport() -> Generator[None, Any, None]:
    """Add output and log of the Instances to the report of a failed test."""
    outcome = yield
    report: pytest.TestReport = outcome.get_result()
    if report.failed:
        records = [record for running in _running() for record in running.records]
        if len(records) > SHOWN:
            report.sections.append(("Instances", f"{len(records) - SHOWN} earlier ones are not shown"))
        report.sections += [(record.title, record.report()) for record in records[-SHOWN:]]
