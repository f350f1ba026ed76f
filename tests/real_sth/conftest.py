"""Each test here runs against the embedded Hub, and against a real one where this machine can have it."""

import contextlib
import dataclasses
import shutil
from pathlib import Path

import pytest
import real_hub
from differences import LACKS

import npm_packages
from transform_hub.client import HostClient
from transform_hub.errors import HubError
from transform_hub.hub.server import serve

EXAMPLES = Path(__file__).parents[2] / "examples" / "sequences"
TAKE_INPUT = {"map", "gzip", "exception"}
UNAVAILABLE = pytest.StashKey()


@dataclasses.dataclass(frozen=True)
class Target:
    """A Hub, and the language of the Sequences that it runs."""

    url: str
    language: str
    is_real: bool = False

    def example(self, name):
        """Directory of a reference Sequence."""
        return EXAMPLES / name / self.language


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent == real_hub.FOLDER:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(npm_packages.INSTALL_TIMEOUT + 60))


def pytest_terminal_summary(terminalreporter, config):
    if reason := config.stash.get(UNAVAILABLE, None):
        terminalreporter.write_line(f"NOT TESTED against a real Transform Hub: {reason}", yellow=True)


@pytest.fixture(scope="session")
def real_sth(pytestconfig):
    """URL of a real Hub."""
    try:
        real_hub.install()
    except npm_packages.UnavailableError as error:
        pytestconfig.stash[UNAVAILABLE] = str(error)
        pytest.skip(f"no real Transform Hub: {error}")
    with real_hub.real_hub() as running:
        yield running.url


@pytest.fixture(params=["python", "javascript", "real"])
async def target(request, tmp_path):
    """The embedded Hub with Sequences in Python and in JavaScript, and the real one, which runs only JavaScript."""
    if request.param == "real":
        for marker in request.node.iter_markers("beyond"):
            reason = "; ".join(LACKS[name] for name in marker.args)
            request.applymarker(pytest.mark.xfail(reason=f"STH 0.18.7: {reason}", strict=True))
        yield Target(request.getfixturevalue("real_sth"), "javascript", is_real=True)
        return
    if request.param == "javascript" and shutil.which("node") is None:
        pytest.skip("node is not installed")
    async with serve(port=0, data_dir=tmp_path / "hub", retention_ms=60_000) as hub:
        yield Target(hub.url, request.param)


@pytest.fixture
async def host(target):
    async with HostClient(target.url, timeout=20) as client:
        yield client


@pytest.fixture
async def start(target, host):
    """Starts an Instance of a reference Sequence; it is killed after the test."""
    started = []

    async def start(name, **options):
        sequence = await host.send_sequence(target.example(name))
        instance = await sequence.start(**options)
        started.append(instance)
        if target.is_real and name in TAKE_INPUT:
            # What reaches the runner of 0.18.7 before it is settled is lost in parts, or comes three times.
            await instance.get_health()
        return instance

    yield start
    for instance in started:
        with contextlib.suppress(HubError):
            await instance.kill(remove_immediately=True)
