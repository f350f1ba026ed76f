"""``si topic``: named streams that Instances and clients share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from transform_hub.cli.command import App
from transform_hub.cli.completers import complete_topic
from transform_hub.cli.connection import with_hub
from transform_hub.cli.names import topic_name
from transform_hub.cli.output import show, show_list
from transform_hub.cli.streams import File, pour, sending

if TYPE_CHECKING:
    from transform_hub.client.host import HostClient

app = App(help="Topics: named streams that Instances and clients share.")

CONTENT_TYPES = ("application/x-ndjson", "text/x-ndjson", "text/plain", "application/octet-stream")


def _checked_type(name: str) -> str:
    if name not in CONTENT_TYPES:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(CONTENT_TYPES)}")
    return name


Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the topic.", callback=topic_name, autocompletion=complete_topic)
]
ContentType = Annotated[
    str, typer.Option("-t", "--content-type", help="Content type of the topic.", callback=_checked_type)
]


@app.command("list|ls")
def list_() -> None:
    """List the topics."""
    columns = {
        "NAME": lambda each: each.topic_name or each.topic,
        "CONTENT TYPE": lambda each: each.content_type,
    }
    show_list(
        with_hub(lambda host: host.list_topics()),
        columns,
        id_of=lambda each: each.topic_name or each.topic,
        empty="There are no topics: the first who writes or reads one makes it.",
    )


@app.command()
def create(name: Name, content_type: ContentType = CONTENT_TYPES[0]) -> None:
    """Make a topic."""
    with_hub(lambda host: host.create_topic(name, content_type))
    show({"id": name, "contentType": content_type})


@app.command("delete|rm")
def delete(name: Name) -> None:
    """Delete a topic."""
    with_hub(lambda host: host.delete_topic(name))
    show({"id": name})


@app.command()
def get(name: Name, content_type: ContentType = CONTENT_TYPES[0]) -> None:
    """Write to stdout what is sent to a topic from now on."""

    async def opened(host: HostClient) -> Any:
        return await host.topic(name, content_type).get()

    pour(opened)


@app.command()
def send(name: Name, file: File = None, content_type: ContentType = CONTENT_TYPES[0]) -> None:
    """Send a file or stdin to a topic."""
    with sending(file) as (data, told):
        with_hub(lambda host: host.topic(name, content_type).send(data, progress=told))
