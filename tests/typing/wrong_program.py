"""What type checkers have to find: each line that is wrong says so."""

from typing import Any

from transform_hub import Context, HostClient, Input, Stream
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


async def double(number: int) -> int:
    return number * 2


async def wrong_sequence(context: Context, input: Input[str], numbers: Stream[int]) -> None:
    input.map(double)  # wrong
    input.map(len).map(str.upper)  # wrong
    numbers.batch("5")  # wrong
    numbers.batch(double)  # wrong
    numbers.window()  # wrong
    numbers.decode("utf-8")  # wrong
    numbers.split(",")  # wrong
    await numbers  # wrong
    (await input.to_list()).upper()  # wrong
    (await input.read()).upper()  # wrong
    context.emitt("done")  # wrong
    context.on("done", double, 5)  # wrong
    context.logger.info(5 + context.instance_id)  # wrong

    @context.on("size")
    def on_size(message: Any) -> int:
        return len(message)

    on_size(5).upper()  # wrong
