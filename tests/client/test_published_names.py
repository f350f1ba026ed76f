"""Code for the published packages, 1.1.1 and the clients of Managers that go with it, runs with ours alone."""

import asyncio
import importlib
import inspect
import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from recorded_platform import TOKEN

from client.host_client import HostClient
from client_utils.base_client import BaseClient
from manager_client.manager_client import ManagerClient
from middleware_client.middleware_client import MiddlewareClient
from multi_manager_client.multi_manager_client import MultiManagerClient
from transform_hub import errors

# Classes, public methods and their arguments as they were published.
COMMON = {
    "setDefaultHeaders": "headers", "get_load_check": "", "get_version": "", "get_log_stream": "", "get_config": "",
}  # fmt: skip
PUBLISHED = {
    "client_utils.base_client.BaseClient": {"__init__": "url connector", **COMMON},
    "client.host_client.HostClient": {
        "__init__": "url connector", "load_sequence": "seq_path", "list_sequences": "", "list_entities": "",
        "list_instances": "", "send_sequence": "file app_config", "get_sequence_info": "id", "delete_sequence": "id",
        "get_instance_info": "id", "send_named_data": "topic stream content_type end", "get_named_data": "topic",
        **COMMON,
    },
    "client.sequence_client.SequenceClient": {
        "__init__": "id host", "start": "", "list_instances": "", "get_instance": "id host", "get_info": "",
    },
    "client.instance_client.InstanceClient": {
        "__init__": "id host", "stop": "timeout can_keep_alive", "kill": "", "send_event": "event_name message",
        "get_next_event": "", "get_event_stream": "",  # without the name of an event neither could work
        "get_health": "", "get_info": "", "send_input": "stream options", "send_stdin": "stream",
    },
    "manager_client.manager_client.ManagerClient": {
        "__init__": "url", "get_host_client": "id host_api_base", "list_hosts": "", "list_sequences": "",
        "list_instances": "", "get_named_data": "topic", **COMMON,
    },
    "multi_manager_client.multi_manager_client.MultiManagerClient": {
        "__init__": "url", "get_manager_client": "id manager_api_base", "start_manager": "config manager_api_base",
        "get_managers": "", **COMMON,
    },
    "middleware_client.middleware_client.MiddlewareClient": {
        "__init__": "url", "get_manager_client": "id manager_api_base", "list_managers": "", **COMMON,
    },
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_headers():
    yield
    BaseClient.setDefaultHeaders({})


@pytest.mark.parametrize(
    ("path", "method", "arguments"),
    [(path, method, names) for path, methods in PUBLISHED.items() for method, names in methods.items()],
)
def test_every_public_method_is_there_with_its_arguments(path, method, arguments):
    module, _, name = path.rpartition(".")
    published = getattr(importlib.import_module(module), name)
    ours = [each for each in inspect.signature(getattr(published, method)).parameters if each != "self"]
    assert ours[: len(arguments.split())] == arguments.split()


def test_it_is_our_package_that_is_tested():
    for path in PUBLISHED:
        module = importlib.import_module(path.partition(".")[0])
        assert Path(module.__file__).parents[2] == Path(__file__).parents[2]


@pytest.fixture
def run(platform):
    """Runs a script in an interpreter of its own; its output."""

    async def script(source):
        source = textwrap.dedent(source).replace("<URL>", platform.url).replace("<TOKEN>", TOKEN)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", "-c", source, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, errors = await process.communicate()
        assert (process.returncode, errors.decode()) == (0, "")
        return out.decode()

    return script


EXAMPLES = {
    "client": (
        """
        from client.host_client import HostClient
        host = HostClient("<URL>/space/space/api/v1/sth/sth-0/api/v1")
        res = asyncio.run(host.get_version())
        print(res)
        res = asyncio.run(host.list_sequences())
        """,
        ["'apiVersion': 'v1'", "\n[]\n"],
    ),
    "manager": (
        """
        from manager_client.manager_client import ManagerClient
        manager = ManagerClient("<URL>/space/space/api/v1")
        res = asyncio.run(manager.get_hosts())
        """,
        ["'id': 'sth-0'"],
    ),
    "middleware": (
        """
        from middleware_client.middleware_client import MiddlewareClient
        middleware = MiddlewareClient("<URL>")
        res = asyncio.run(middleware.get_managers())
        """,
        ["[{'id': 'space'}]\n"],
    ),
}
HEAD = """
import asyncio
from client_utils.base_client import BaseClient
BaseClient.setDefaultHeaders({"Authorization": f"Bearer <TOKEN>"})
"""


@pytest.mark.parametrize(("example", "printed"), EXAMPLES.values(), ids=EXAMPLES)
async def test_an_example_of_the_published_packages(run, example, printed):
    out = await run(HEAD + textwrap.dedent(example) + "print(res)")
    assert all(text in out for text in printed)


async def test_from_the_middleware_to_an_instance(platform, package):
    BaseClient.setDefaultHeaders({"Authorization": f"Bearer {TOKEN}"})
    middleware = MiddlewareClient(platform.url)
    assert await middleware.list_managers() == [{"id": "space"}]
    assert (await middleware.get_version())["components"]
    manager = await middleware.get_manager_client("space")
    assert isinstance(manager, ManagerClient)
    assert [each["id"] for each in await manager.list_hosts()] == ["sth-0"]
    host = await manager.get_host_client("sth-0")
    assert isinstance(host, HostClient)
    sequence = await host.send_sequence(package("def run(context, input): return input"))
    instance = await sequence.start()
    assert await manager.list_sequences() == [sequence.id]
    assert [each["hubId"] for each in await manager.list_instances()] == ["sth-0"]
    await instance.send_input("hello\n", {"content_type": "text/plain"})
    assert await instance.get_output().read() == b"hello\n"
    assert len(platform.connections) == 1


async def test_clients_need_not_be_awaited(platform):
    BaseClient.setDefaultHeaders({"Authorization": f"Bearer {TOKEN}"})
    host = MiddlewareClient(platform.url).get_manager_client("space").get_host_client("sth-0")
    assert (await host.get_version())["apiVersion"] == "v1"


async def test_a_manager_as_published(platform):
    BaseClient.setDefaultHeaders({"Authorization": f"Bearer {TOKEN}"})
    manager = ManagerClient(f"{platform.url}/space/space/api/v1")
    assert (await manager.get_version())["service"] == "@scramjet/manager"
    assert (await manager.get_load_check())["currentLoad"] == 1.5
    assert (await manager.get_config())["config"]["id"] == "space"
    log = await manager.get_log_stream()
    assert json.loads(await anext(log.lines())) == {"msg": "past"}
    reader = await manager.get_named_data("news")
    sending = asyncio.ensure_future(manager.send_named_data("news", '{"a": 1}\n', "application/x-ndjson", end=True))
    assert await anext(reader.json()) == {"a": 1}
    await sending


async def test_a_multi_manager_as_published(platform):
    multi = MultiManagerClient(platform.multi_url)
    assert await multi.get_managers() == await multi.list_managers() == [{"id": "space"}]
    assert (await multi.get_load_check())["memFree"] == 1024
    for config in ({"id": "a"}, {"manager": {"id": "b"}}):
        assert isinstance(await multi.start_manager(config), ManagerClient)
    with pytest.raises(errors.ConflictError):
        await multi.start_manager({"id": "a"})
    assert (await (await multi.get_manager_client("b")).list_hosts()) == []
    assert await multi.get_manager_client("space").list_sequences() == []
