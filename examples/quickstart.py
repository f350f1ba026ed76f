"""From a directory with a Sequence to its output, on a Hub of its own: ``python examples/quickstart.py``.

Starts an embedded Hub, packs and sends the Sequence ``reading-ease``, starts an Instance of it with arguments and
configuration, pipes a text in while the output is read as it comes, and shows what the Hub knows of it.
With ``SCRAMJET_HUB_URL`` set, that Hub is used instead of an embedded one.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator
from pathlib import Path

from transform_hub import HostClient, InstanceClient, serve

HERE = Path(__file__).parent
SEQUENCE = HERE / "sequences" / "reading-ease"
TEXT = HERE / "data" / "declaration.txt"


@contextlib.asynccontextmanager
async def hub_url() -> AsyncGenerator[str]:
    if url := os.environ.get("SCRAMJET_HUB_URL"):
        yield url
    else:
        async with serve(port=0) as hub:
            yield hub.url


async def main() -> None:
    async with hub_url() as url, HostClient(url) as host:
        version = await host.get_version()
        print(f"Hub        {url}  ({version.service} {version.version}, {version.build})")

        sequence = await host.send_sequence(SEQUENCE)  # a directory; or a .tar.gz, bytes, an open file
        print(f"Sequence   {sequence.id}")

        instance = await sequence.start(args=[5], app_config={"width": 72, "stay": True})
        print(f"Instance   {instance.id}  ({(await instance.get_info()).status})\n")

        reading = asyncio.create_task(show_output(instance))
        summary = asyncio.create_task(instance.get_event("summary"))
        await instance.send_input(TEXT)
        print(f"\nSummary    {await summary}")

        print(f"Health     {await instance.get_health()}")
        info = await instance.stop(timeout=5)
        await reading
        if end := info.terminated:
            print(f"Ended      {info.status}: {end.reason} (exit code {end.exitcode})")
        print(f"Stdout     {(await instance.get_stdout().read()).decode()!r}")
        print("Log")
        async for entry in instance.get_log().json():
            print(f"           {entry['level']:5} {entry['from']}: {entry['msg']}")

        await sequence.delete()


async def show_output(instance: InstanceClient) -> None:
    async for line in instance.get_output().lines():
        print(line)


if __name__ == "__main__":
    asyncio.run(main())
