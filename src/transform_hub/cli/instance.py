"""``si instance``: look, stream, stop, kill."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from transform_hub.cli.session import pour, show, source, with_host

app = typer.Typer(no_args_is_help=True, help="Instances: running Sequences.")

Id = Annotated[str, typer.Argument(help="Id of the Instance.")]
File = Annotated[Path | None, typer.Argument(help="What to send; stdin without one.")]


@app.command("list")
def list_() -> None:
    """List the Instances."""
    show(with_host(lambda host: host.list_instances()))


@app.command()
def info(instance_id: Id) -> None:
    """Show an Instance."""
    show(with_host(lambda host: host.get_instance_info(instance_id)))


@app.command()
def health(instance_id: Id) -> None:
    """Show what the Instance says of its health."""
    show(with_host(lambda host: host.instance(instance_id).get_health()))


@app.command("input")
def input_(
    instance_id: Id,
    file: File = None,
    content_type: Annotated[str, typer.Option("-t", "--content-type")] = "text/plain",
    end: Annotated[bool, typer.Option("-e", "--end", help="End the input afterwards.")] = False,
) -> None:
    """Send a file or stdin to the input."""
    data = source(file)
    with_host(lambda host: host.instance(instance_id).send_input(data, content_type=content_type, end=end))


@app.command()
def stdin(instance_id: Id, file: File = None) -> None:
    """Send a file or stdin to the standard input."""
    data = source(file)
    with_host(lambda host: host.instance(instance_id).send_stdin(data))


@app.command()
def output(instance_id: Id) -> None:
    """Print the output as it comes."""
    pour(lambda host: host.instance(instance_id).get_output())


@app.command()
def stdout(instance_id: Id) -> None:
    """Print the standard output as it comes."""
    pour(lambda host: host.instance(instance_id).get_stdout())


@app.command()
def stderr(instance_id: Id) -> None:
    """Print the standard error as it comes."""
    pour(lambda host: host.instance(instance_id).get_stderr())


@app.command()
def log(instance_id: Id) -> None:
    """Print the log as it comes."""
    pour(lambda host: host.instance(instance_id).get_log())


@app.command()
def stop(
    instance_id: Id, timeout: Annotated[int, typer.Argument(help="Milliseconds until it is killed.")] = 7000
) -> None:
    """Ask an Instance to stop; shows how it ended."""
    show(with_host(lambda host: host.instance(instance_id).stop(timeout, can_keep_alive=True)))


@app.command()
def kill(
    instance_id: Id,
    remove_immediately: Annotated[bool, typer.Option("--removeImmediately", help="Forget it at once.")] = False,
) -> None:
    """End an Instance at once."""
    show(with_host(lambda host: host.instance(instance_id).kill(remove_immediately=remove_immediately)))
