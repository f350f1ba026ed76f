"""Packages that npm and PyPI carry, against our Hub as a process: ``make compat``.

They are fetched when the tests run, into folders that git ignores. Without a registry the tests are skipped; with
REQUIRE_TOOLS=1 they fail.
"""

import os
import subprocess
from pathlib import Path

import pytest

import npm_packages
import pypi_packages
from sth_process import Sth

FOLDER = Path(__file__).parent
SITE = FOLDER / ".site-packages"
CLIENT = ("scramjet-api-client==1.1.1", "scramjet-client-utils==1.1.1", "url-normalize==1.4.3", "six==1.16.0")
FRAMEWORK = ("scramjet-framework-py==0.10.1",)


def unavailable(error):
    if os.environ.get("REQUIRE_TOOLS") == "1":
        pytest.fail(str(error), pytrace=False)
    pytest.skip(str(error))


@pytest.fixture(scope="session")
def node_modules():
    """Folder of the packages of npm."""
    try:
        npm_packages.install(FOLDER)
    except npm_packages.UnavailableError as error:
        unavailable(error)
    return FOLDER / "node_modules"


def _of_pypi(name, requirements):
    try:
        pypi_packages.install(SITE / name, *requirements)
    except pypi_packages.UnavailableError as error:
        unavailable(error)
    return SITE / name


@pytest.fixture(scope="session")
def published_client():
    """Folder of the client that PyPI carries."""
    return _of_pypi("client", CLIENT)


@pytest.fixture(scope="session")
def framework():
    """Folder of the framework that PyPI carries."""
    return _of_pypi("framework", FRAMEWORK)


@pytest.fixture(scope="session")
def url(tmp_path_factory):
    """URL of our Hub, which is a process."""
    sth = Sth("-P", 0, "-D", tmp_path_factory.mktemp("hub") / "sequences", stderr=subprocess.DEVNULL)
    yield sth.run().url
    sth.end()
