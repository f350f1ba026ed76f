import pytest

from transform_hub.testing import local_hub


@pytest.fixture
def hub(tmp_path):
    """A Hub in a thread of its own, as the caller's is busy waiting."""
    with local_hub(data_dir=tmp_path / "hub", retention_ms=60_000) as running:
        yield running


@pytest.fixture
def client(hub):
    return hub.client


@pytest.fixture
def start(client, package):
    def starting(source="def run(context, input, *args): return input", **options):
        return client.send_sequence(package(source)).start(**options)

    return starting
