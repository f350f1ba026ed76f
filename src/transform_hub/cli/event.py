"""``si instance event``: events to and from an Instance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from transform_hub.cli.command import App
from transform_hub.cli.connection import with_hub
from transform_hub.cli.exits import USAGE, CommandError
from transform_hub.cli.instance_streams import Id
from transform_hub.cli.names import find_instance
from transform_hub.cli.output import show
from transform_hub.cli.streams import pour

if TYPE_CHECKING:
    from transform_hub.client.host import HostClient
    from transform_hub.client.instance import InstanceClient

app = App(help="Events to and from an Instance.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the event.")]


@app.command("emit|invoke")
def emit(
    id: Id,
    name: Name,
    payload: Annotated[str, typer.Argument(help="The message: text; JSON with --json.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="The message is JSON.")] = False,
) -> None:
    """Send an event to an Instance."""
    message = _json(payload) if as_json else payload

    async def send(host: HostClient) -> None:
        await (await find_instance(host, id)).send_event(name, message)

    with_hub(send)
    show({"accepted": "OK"})


@app.command("on")
def on(
    id: Id,
    name: Name,
    next_: Annotated[bool, typer.Option("-n", "--next", help="Wait for the next message.")] = False,
    stream: Annotated[bool, typer.Option("-s", "--stream", help="Print all from now on, one per line.")] = False,
) -> None:
    """Print the last message of an event as JSON, or wait for the first."""
    if stream:

        async def opened(host: HostClient) -> Any:
            return await (await find_instance(host, id)).get_event_stream(name)

        pour(opened)
        return

    async def wait(host: HostClient) -> Any:
        instance: InstanceClient = await find_instance(host, id)
        return await (instance.get_next_event(name) if next_ else instance.get_event(name))

    show(with_hub(wait))


def _json(text: str) -> Any:
    import msgspec

    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise CommandError(f"the message is not JSON: {error}", code=USAGE) from None
