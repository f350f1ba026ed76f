"""The pytest plugin; pytest loads it by itself, so what costs time is imported when a test wants it."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from transform_hub.testing.local import LocalHub

SHOWN = 10
"""Instances that a report tells of: the latest."""


@pytest.fixture
def hub_settings() -> dict[str, Any]:
    """Settings of the fixture ``hub``, of :class:`transform_hub.hub.config.HubConfig`; to be overridden."""
    return {}


@pytest.fixture
def hub(hub_settings: dict[str, Any]) -> Iterator[LocalHub]:
    """A Transform Hub of this test's own: ``hub.run(...)``, ``hub.start(...)``, ``hub.client``, ``hub.connect()``."""
    from transform_hub.testing.local import local_hub  # noqa: PLC0415

    with local_hub(**hub_settings) as running:
        yield running


def _running() -> list[LocalHub]:
    local = sys.modules.get("transform_hub.testing.local")
    return local.RUNNING if local is not None else []


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Forget what earlier tests did on Hubs that outlive them."""
    for running in _running():
        running.records.clear()


@pytest.hookimpl(hookwrapper=True)  # the older way works with any pytest that a project may have
def pytest_runtest_makereport() -> Generator[None, Any, None]:
    """Tell what the Instances of a failed test said."""
    outcome = yield
    report: pytest.TestReport = outcome.get_result()
    if report.failed:
        records = [record for running in _running() for record in running.records]
        if len(records) > SHOWN:
            report.sections.append(("Instances", f"{len(records) - SHOWN} earlier ones are not shown"))
        report.sections += [(record.title, record.report()) for record in records[-SHOWN:]]
