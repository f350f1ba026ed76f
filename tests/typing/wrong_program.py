"""What type checkers have to find: each line that is wrong says so."""

from transform_hub import HostClient
from transform_hub.sync import HostClient as SyncHostClient


async def wrong(host: HostClient, sync: SyncHostClient) -> None:
    HostClient(5)  # wrong
    HostClient("http://h", "token")  # wrong
    sync.run("path", inputs="x")  # wrong
    sync.get_version().api_versions  # wrong
    await sync.get_version()  # wrong
    host.get_log(follow="yes")  # wrong
    host.instance("id").get_output(reconnect_timeout=5)  # wrong
    host.instance("id").get_output(follow=True, tap=True)  # wrong
    await host.instance("id").send_input(5)  # wrong
    async for chunk in host.get_log():
        chunk.encode()  # wrong
    for line in sync.get_log().lines():
        line.decode()  # wrong
    for maybe in sync.get_log(follow=True).lines():
        maybe.upper()  # wrong
    for piece in sync.instance("id").get_output(follow=True):
        piece.decode()  # wrong
