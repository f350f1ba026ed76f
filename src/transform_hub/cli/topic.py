"""``si topic``: named streams that Instances and clients share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from transform_hub.cli.command import App
from transform_hub.cli.completers import complete_topic
from transform_hub.cli.connection import with_hub
from transform_hub.cli.names import topic_name
from transform_hub.cli.output import show, show_list
from transform_hub.cli.streams import File, Tap, pour, sending
from transform_hub.models.rules import NDJSON, TOPIC_TYPES

if TYPE_CHECKING:
    from transform_hub.client.host import HostClient

app = App(help="Topics: named streams that Instances and clients share.")


def _checked_type(name: str) -> str:
    if name not in TOPIC_TYPES:
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(TOPIC_TYPES)}")
    return name


Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the topic.", callback=topic_name, autocompletion=complete_topic)
]
ContentType = Annotated[
    str, typer.Option("-t", "--content-type", help="Content type of the topic.", callback=_checked_type)
]
Group = Annotated[
    str | None, typer.Option("--group", help="Share the items with the other members of this group of readers.")
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
        empty="There are no topics: `si topic send` or `get` creates one.",
    )


@app.command()
def create(name: Name, content_type: ContentType = NDJSON) -> None:
    """Create a topic."""
    with_hub(lambda host: host.create_topic(name, content_type))
    show({"id": name, "contentType": content_type})


@app.command("delete|rm")
def delete(name: Name) -> None:
    """Delete a topic."""
    with_hub(lambda host: host.delete_topic(name))
    show({"id": name})


@app.command()
def get(name: Name, content_type: ContentType = NDJSON, tap: Tap = False, group: Group = None) -> None:
    """Write to stdout what is sent to a topic from now on."""
    if tap and group is not None:
        raise typer.BadParameter("use either --tap or --group", param_hint="--group")

    async def opened(host: HostClient) -> Any:
        topic = host.topic(name, content_type)
        return await (topic.get(tap=True) if tap else topic.get(group=group))

    pour(opened)


@app.command()
def send(name: Name, file: File = None, content_type: ContentType = NDJSON) -> None:
    """Send a file or stdin to a topic."""
    with sending(file) as (data, report):
        with_hub(lambda host: host.topic(name, content_type).send(data, progress=report))
