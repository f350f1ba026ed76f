"""Each test here runs against the embedded Hub, and against a real one where this machine can have it."""

import pytest
import real_hub

from transform_hub.client import HostClient
from transform_hub.hub.server import serve

UNAVAILABLE = pytest.StashKey()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent == real_hub.FOLDER:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(real_hub.INSTALL_TIMEOUT + 60))


def pytest_terminal_summary(terminalreporter, config):
    if reason := config.stash.get(UNAVAILABLE, None):
        terminalreporter.write_line(f"NOT TESTED against a real Transform Hub: {reason}", yellow=True)


@pytest.fixture(scope="session")
def real_sth(pytestconfig):
    """URL of a real Hub."""
    try:
        real_hub.install()
    except real_hub.UnavailableError as error:
        pytestconfig.stash[UNAVAILABLE] = str(error)
        pytest.skip(f"no real Transform Hub: {error}")
    with real_hub.real_hub() as running:
        yield running.url


@pytest.fixture(params=["embedded", "real"])
async def target(request, tmp_path):
    """What kind of Hub it is, and its URL."""
    if request.param == "real":
        yield "real", request.getfixturevalue("real_sth")
    else:
        async with serve(port=0, data_dir=tmp_path / "hub", retention_ms=60_000) as hub:
            yield "embedded", hub.url


@pytest.fixture
async def host(target):
    async with HostClient(target[1]) as client:
        yield client
