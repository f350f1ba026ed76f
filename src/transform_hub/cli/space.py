"""``si space``: the Spaces of a platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from transform_hub.cli import session
from transform_hub.cli.command import App
from transform_hub.cli.exits import NOT_FOUND, USAGE, CommandError
from transform_hub.cli.output import show, show_list
from transform_hub.cli.platform import chosen_space, platform, with_platform, with_space
from transform_hub.cli.streams import pour_from

if TYPE_CHECKING:
    from transform_hub.client.middleware import MiddlewareClient

app = App(help="Spaces of a platform.")
access_app = App(help="Access keys, with which Hubs connect to the Space.")
app.add_typer(access_app, name="access")


@app.command("list|ls")
def list_() -> None:
    """List the Spaces that the token gives access to."""
    spaces = with_platform(lambda client: client.list_spaces())
    show_list(spaces, {"ID": lambda each: each.id}, id_of=lambda each: each.id, empty="There are no Spaces.")


@app.command()
def use(id: Annotated[str, typer.Argument(metavar="ID", help="Id of the Space.")]) -> None:
    """Use this Space for the rest of the session."""
    known = [space.id for space in with_platform(lambda client: client.list_spaces())]
    if id not in known:
        raise CommandError(f"there is no Space {id!r}: {', '.join(known) or 'no access to any'}", code=NOT_FOUND)
    session.remember("space", id)
    session.remember("hub", "")


@app.command()
def info() -> None:
    """Show the Space in use."""

    async def look(client: MiddlewareClient) -> Any:
        space = await chosen_space(client)
        return {"id": space, **await client.manager(space).get_config()}

    show(with_platform(look))


@app.command()
def version() -> None:
    """Show the versions of the platform's parts."""
    show(with_platform(lambda client: client.get_version()))


@app.command()
def audit() -> None:
    """Write the audit log of all Spaces to stdout, one JSON object per line."""

    async def opened(client: MiddlewareClient) -> Any:
        return await client.get_audit()

    pour_from(platform, opened)


@access_app.command()
def create(description: Annotated[str, typer.Argument(metavar="DESCRIPTION", help="What it is for.")]) -> None:
    """Create a key; it is shown only once."""

    async def make(client: MiddlewareClient) -> Any:
        return await client.create_access_key(await chosen_space(client), description)

    show(with_platform(make))


@access_app.command("list|ls")
def list_keys() -> None:
    """List ids and descriptions of the keys."""

    async def ask(client: MiddlewareClient) -> Any:
        return await client.list_access_keys(await chosen_space(client))

    columns = {"ID": lambda each: each.id, "DESCRIPTION": lambda each: each.description}
    show_list(with_platform(ask), columns, id_of=lambda each: each.id or "", empty="There are no keys.")


@access_app.command()
def revoke(
    id: Annotated[str | None, typer.Option("--id", help="Id of a key.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="All keys; Hubs that use them are disconnected.")] = False,
) -> None:
    """Revoke a key, or all."""
    if (id is None) != all_:
        raise CommandError("say which key: --id ID or --all", code=USAGE)

    async def revoked(client: MiddlewareClient) -> Any:
        space = await chosen_space(client)
        return await (client.revoke_all_access_keys(space) if id is None else client.revoke_access_key(space, id))

    show(with_platform(revoked))


def show_hubs() -> None:
    """List the Hubs of the Space."""

    async def ask(manager: Any) -> Any:
        return [hub async for hub in manager.list_hosts()]

    columns = {
        "ID": lambda each: each.id,
        "HEALTHY": lambda each: "yes" if each.healthy else "no",
        "CONNECTED": lambda each: "yes" if each.is_connection_active else "no",
        "DESCRIPTION": lambda each: each.description,
    }
    show_list(with_space(ask), columns, id_of=lambda each: each.id, empty="There are no Hubs in this Space.")
