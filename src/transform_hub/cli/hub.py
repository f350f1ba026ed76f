"""``si hub``: start a Hub on this machine, and look at the one that is talked to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from transform_hub.cli.command import App
from transform_hub.cli.connection import with_hub
from transform_hub.cli.log_lines import Follow, Since, pour_log
from transform_hub.cli.output import show
from transform_hub.cli.streams import pour

if TYPE_CHECKING:
    from transform_hub.client.host import HostClient

app = App(help="The Hub: start one here, look at one.")

Port = Annotated[int | None, typer.Option("-P", "--port", help="Its port.  [default: the only one that runs]")]


@app.command()
def start(
    port: Annotated[
        int | None, typer.Option("-P", "--port", help="Port of the API; 0 takes a free one.  [default: the profile's]")
    ] = None,
    detach: Annotated[bool, typer.Option("-d", "--detach", help="Leave it running in the background.")] = False,
    sequences_root: Annotated[
        Path | None, typer.Option("-D", "--sequences-root", help="Where Sequences are kept.")
    ] = None,
    log_level: Annotated[str | None, typer.Option("-L", "--log-level", help="Of its log, like info or debug.")] = None,
) -> None:
    """Start a Hub on this machine, until Ctrl-C; `sth` has all its options."""
    from transform_hub.cli import daemon

    options = {"--sequences-root": sequences_root, "--log-level": log_level}
    arguments = [str(word) for pair in options.items() if pair[1] is not None for word in pair]
    chosen = daemon.default_port() if port is None else port
    if not detach:
        daemon.run(chosen, arguments)
    show(daemon.detach(chosen, arguments))


@app.command()
def stop(port: Port = None) -> None:
    """Stop a Hub that `si hub start --detach` has started."""
    from transform_hub.cli import daemon

    show(daemon.stop(port))


@app.command()
def status(port: Port = None) -> None:
    """Show the Hub that `si hub start --detach` has started; exit code 3 if there is none."""
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
    show(with_hub(lambda host: host.get_config()))


@app.command("logs|log")
def logs(follow: Follow = False, since: Since = None) -> None:
    """Write the Hub's log to stdout, past and future."""

    async def opened(host: HostClient) -> Any:
        return await (host.get_log(follow=True) if follow else host.get_log())

    pour_log(opened, since)


@app.command()
def audit() -> None:
    """Write to stdout who does what on the Hub, a line of JSON each."""

    async def opened(host: HostClient) -> Any:
        return await host.get_audit()

    pour(opened)
