import socket

import pytest
from recorded_manager import Hub
from recorded_platform import Platform

from sth_process import sth  # noqa: F401 - a fixture
from transform_hub.client import HostClient


@pytest.fixture
def nobody():
    """URL of a port where nobody listens."""
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return f"http://127.0.0.1:{port}/api/v1"


@pytest.fixture
async def client(hub):
    async with HostClient(hub.url) as host:
        yield host


@pytest.fixture
async def platform(hub):
    """Middleware and MultiManager with a Space "space", and in it the real Hub "sth-0", as a native one."""
    async with Platform() as running:
        running.manager("space").hubs["sth-0"] = Hub(hub.url)
        yield running
