"""``si store``: packages in the store of a Space, for all its Hubs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from transform_hub.cli.command import App
from transform_hub.cli.output import show, show_id, show_list
from transform_hub.cli.platform import with_space
from transform_hub.cli.progress import progress
from transform_hub.cli.sending import Source, package_of

if TYPE_CHECKING:
    from transform_hub.client.manager import ManagerClient

app = App(help="The store of a Space: Sequences for all its Hubs.")


@app.command("list|ls")
def list_() -> None:
    """List the packages in the store."""
    columns = {
        "FILE": lambda each: each.filename,
        "NAME": lambda each: each.name,
        "VERSION": lambda each: each.version,
    }
    items = with_space(lambda manager: manager.list_store_items())
    show_list(items, columns, id_of=lambda each: each.filename or each.id, empty="The store is empty.")


@app.command()
def send(
    source: Source,
    name: Annotated[str | None, typer.Option("--name", help="Name of the file in the store.")] = None,
) -> None:
    """Put a package into the store."""

    async def put(manager: ManagerClient, package: Path) -> Any:
        with progress(f"Sending {package.name}") as report:
            return await manager.put_store_item(package, name=name, progress=report)

    with package_of(source, deps=True, python=None, for_hub=False) as package:
        show(with_space(lambda manager: put(manager, package)))


@app.command("delete|rm")
def delete(name: Annotated[str, typer.Argument(metavar="FILE", help="Name of the file in the store.")]) -> None:
    """Delete a package from the store."""
    with_space(lambda manager: manager.delete_store_item(name))
    show_id(name)


@app.command()
def prune() -> None:
    """Delete all packages from the store."""
    with_space(lambda manager: manager.clear_store())
    show({"message": "The store is empty"})
