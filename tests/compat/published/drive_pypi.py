"""Drives a Hub with the client of PyPI: ``drive_pypi.py URL PACKAGE``. Its last line is what it got, as JSON."""

import asyncio
import json
import sys
import urllib.request
from pathlib import Path

from client.host_client import HostClient
from client.instance_client import InstanceClient
from client_utils.base_client import BaseClient


async def main(url, file):
    BaseClient.setDefaultHeaders({"Authorization": "Bearer token"})
    host = HostClient(url)
    version = await host.get_version()
    sequence = await host.send_sequence(Path(file).read_bytes())
    instance = await sequence.start()
    got = {
        "api": version["apiVersion"],
        "is_published": isinstance(instance, InstanceClient)
        and "site-packages/client" in sys.modules["client"].__path__[0],
        "listed": sequence.id in [item["id"] for item in await host.list_sequences()],
        "instances": await sequence.list_instances() == [instance.id],
        "healthy": (await instance.get_health())["healthy"],
        "status": (await instance.get_info())["status"],
        "event": await instance.send_event("ping", "over"),
    }
    await instance.send_input("one\n", {"content_type": "text/plain", "end": "true"})
    with urllib.request.urlopen(
        f"{url}/instance/{instance.id}/output", timeout=20
    ) as output:  # it has no method for it
        got["output"] = output.read().decode()
    sys.stdout.write(f"\n{json.dumps(got)}")


asyncio.run(main(*sys.argv[1:]))
