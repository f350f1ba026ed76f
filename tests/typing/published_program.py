"""A program for the import paths of the published package, which are typed as well."""

from typing import Any

from typing_extensions import assert_type

from client.host_client import HostClient
from client.instance_client import InstanceClient
from client.sequence_client import SequenceClient
from client_utils.client_utils import ClientUtils
from manager_client.manager_client import ManagerClient
from middleware_client.middleware_client import MiddlewareClient
from multi_manager_client.multi_manager_client import MultiManagerClient


async def main() -> None:
    ClientUtils.setDefaultHeaders({"Authorization": "Bearer t"})
    host = HostClient("http://h")
    sequence = await host.send_sequence(await host.load_sequence("package.tar.gz"))
    assert_type(sequence, SequenceClient)
    instance = await sequence.start(args=["a"])
    assert_type(instance, InstanceClient)
    assert_type(await instance.get_info(), dict[str, Any])
    assert_type(await instance.get_health(), dict[str, Any])
    assert_type(await host.list_sequences(), list[dict[str, Any]])
    async for chunk in await instance.get_output():
        assert_type(chunk, bytes)
    manager = MiddlewareClient("https://m").get_manager_client("space")
    assert_type(manager, ManagerClient)
    assert_type(await MultiManagerClient("https://m").start_manager({"id": "x"}), ManagerClient)
