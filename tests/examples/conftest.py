"""The examples run on a Hub of the pytest plugin, as their readers would test them."""

import importlib.util
import threading
from pathlib import Path

import pytest

from needs import needs
from transform_hub.testing import local_hub

PIPELINES = Path(__file__).parents[2] / "examples" / "pipelines"


@pytest.fixture
def hub():  # the other tests have one of their own under this name
    with local_hub() as running:
        yield running


@pytest.fixture
def example(request):
    """The folder of the example that the test module is named after."""
    return PIPELINES / request.module.__name__.rpartition("test_")[2]


@pytest.fixture
def service():
    """The service of ``enrich``, on a free port."""
    needs("httpx")
    spec = importlib.util.spec_from_file_location("customer_service", PIPELINES / "enrich" / "service.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with module.Customers(0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
