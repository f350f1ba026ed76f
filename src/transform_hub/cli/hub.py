"""``si hub``: start a Hub on this machine, inspect the one in use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from transform_hub.cli import session
from transform_hub.cli.command import App
from transform_hub.cli.connection import with_hub
from transform_hub.cli.exits import USAGE, CommandError
from transform_hub.cli.log_lines import Follow, Since, pour_log
from transform_hub.cli.output import show, show_id
from transform_hub.cli.streams import pour

if TYPE_CHECKING:
    from transform_hub.client.host import HostClient

app = App(help="The Hub: start one on this machine, inspect one.")

Port = Annotated[int | None, typer.Option("-P", "--port", help="Port of the Hub.  [default: of the only one running]")]


@app.command()
def start(
    port: Annotated[
        int | None, typer.Option("-P", "--port", help="Port of the API; 0 takes a free one.  [default: the profile's]")
    ] = None,
    detach: Annotated[bool, typer.Option("-d", "--detach", help="Run in the background.")] = False,
    sequences_root: Annotated[Path | None, typer.Option("-D", "--sequences-root", help="Folder for Sequences.")] = None,
    log_level: Annotated[str | None, typer.Option("-L", "--log-level", help="Log level, like info or debug.")] = None,
) -> None:
    """Start a Hub on this machine, until Ctrl-C; `sth` has more options."""
    from transform_hub.cli import daemon

    options = {"--sequences-root": sequences_root, "--log-level": log_level}
    arguments = [str(word) for pair in options.items() if pair[1] is not None for word in pair]
    chosen = daemon.default_port() if port is None else port
    if not detach:
        daemon.run(chosen, arguments)
    show(daemon.detach(chosen, arguments))


@app.command()
def stop(port: Port = None) -> None:
    """Stop a Hub that was started with `si hub start --detach`."""
    from transform_hub.cli import daemon

    show(daemon.stop(port))


@app.command()
def status(port: Port = None) -> None:
    """Show the Hub that was started with `si hub start --detach`; exit code 3 if there is none."""
    from transform_hub.cli import daemon

    show(daemon.find(port))


@app.command()
def version() -> None:
    """Show which API the Hub serves."""
    show(with_hub(lambda host: host.get_version()))


@app.command()
def load() -> None:
    """Show load, memory and disks of the Hub's machine."""
    show(with_hub(lambda host: host.get_load_check()))


@app.command("config")
def config() -> None:
    """Show the Hub's configuration."""
    show(with_hub(lambda host: host.get_config()).answer)


@app.command("logs|log")
def logs(follow: Follow = False, since: Since = None) -> None:
    """Write the Hub's log to stdout, past and future."""

    async def opened(host: HostClient) -> Any:
        return await (host.get_log(follow=True) if follow else host.get_log())

    pour_log(opened, since)


@app.command()
def audit() -> None:
    """Write the Hub's audit log to stdout, one JSON object per line."""

    async def opened(host: HostClient) -> Any:
        return await host.get_audit()

    pour(opened)


HubId = Annotated[str, typer.Argument(metavar="ID", help="Id of a Hub of the Space.")]


@app.command("list|ls")
def list_() -> None:
    """List the Hubs of the Space in use."""
    from transform_hub.cli.space import show_hubs

    show_hubs()


@app.command()
def use(id: HubId) -> None:
    """Use this Hub of the Space for the rest of the session."""
    from transform_hub.cli.platform import with_space

    session.remember("hub", with_space(lambda manager: manager.get_host_info(id)).id)


@app.command()
def info(
    id: Annotated[str | None, typer.Argument(metavar="ID", help="Id of a Hub.  [default: that in use]")] = None,
) -> None:
    """Show a Hub as the Space knows it."""
    from transform_hub.cli.platform import with_space

    show(with_space(lambda manager: manager.get_host_info(id or session.last("hub"))))


@app.command()
def disconnect(
    id: Annotated[str | None, typer.Option("--id", help="Id of a Hub.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="All Hubs that connected with an access key.")] = False,
) -> None:
    """Disconnect Hubs from the Space."""
    from transform_hub.cli.platform import with_space

    if (id is None) != all_:
        raise CommandError("say which Hubs: --id ID or --all", code=USAGE)
    show(with_space(lambda manager: manager.disconnect_hubs(id=id, limit=0 if all_ else None)))


@app.command("delete|rm")
def delete(
    id: HubId, force: Annotated[bool, typer.Option("-f", "--force", help="Disconnect it first.")] = False
) -> None:
    """Delete a Hub from the Space."""
    from transform_hub.cli.platform import with_space

    with_space(lambda manager: manager.delete_hub(id, force=force))
    session.forget("hub", id)
    show_id(id)
