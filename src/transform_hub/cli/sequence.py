"""``si sequence``: pack, send, list, start, delete."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from transform_hub.cli.session import show, with_host

app = typer.Typer(no_args_is_help=True, help="Sequences: packaged programs on the Hub.")

Id = Annotated[str, typer.Argument(help="Id of the Sequence.")]
Source = Annotated[Path, typer.Argument(help="A directory, or a .tar.gz.")]


@app.command("list")
def list_() -> None:
    """List the Sequences."""
    show(with_host(lambda host: host.list_sequences()))


@app.command()
def info(sequence_id: Id) -> None:
    """Show a Sequence."""
    show(with_host(lambda host: host.get_sequence_info(sequence_id)))


@app.command()
def pack(
    directory: Annotated[Path, typer.Argument(help="The directory with the package.json.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Default: <directory>.tar.gz.")] = None,
) -> None:
    """Pack a directory into a .tar.gz."""
    from transform_hub.package import pack as pack_directory  # noqa: PLC0415 - not needed for --help

    target = output or Path(f"{directory.resolve().name}.tar.gz")
    packed = pack_directory(directory, target)
    typer.echo(f"{target}: {len(packed.files)} files, {packed.packed_bytes} bytes")


@app.command()
def send(source: Source) -> None:
    """Send a Sequence; prints its id."""
    typer.echo(with_host(lambda host: host.send_sequence(source)).id)


@app.command()
def start(
    sequence_id: Id,
    args: Annotated[str, typer.Option(help="Arguments, a JSON array: '[\"a\", 1]'.")] = "[]",
    config: Annotated[str, typer.Option("-s", "--config-string", help="Configuration, a JSON object.")] = "{}",
    instance_id: Annotated[str | None, typer.Option("--inst-id", help="36 characters to use as id.")] = None,
) -> None:
    """Start an Instance; prints its id."""
    options = {"args": _json(args, list, "--args"), "app_config": _json(config, dict, "--config-string")}
    started = with_host(lambda host: host.sequence(sequence_id).start(instance_id=instance_id, **options))
    typer.echo(started.id)


@app.command()
def delete(
    sequence_id: Id, force: Annotated[bool, typer.Option("-f", "--force", help="Kill its Instances.")] = False
) -> None:
    """Delete a Sequence."""
    with_host(lambda host: host.delete_sequence(sequence_id, force=force))


def _json(text: str, kind: type, option: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"not JSON: {error}", param_hint=option) from None
    if not isinstance(value, kind):
        word = "array" if kind is list else "object"
        raise typer.BadParameter(f"must be a JSON {word}", param_hint=option)
    return value
