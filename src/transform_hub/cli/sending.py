"""Sending Sequences to a Hub."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from transform_hub.cli import session
from transform_hub.cli.connection import with_hub
from transform_hub.cli.exits import NOT_FOUND, USAGE, CommandError
from transform_hub.cli.progress import progress

if TYPE_CHECKING:
    from transform_hub.client.host import HostClient
    from transform_hub.client.instance import InstanceClient
    from transform_hub.client.sequence import SequenceClient

Source = Annotated[Path, typer.Argument(metavar="PATH", help="A folder, a .tar.gz, or - for what was packed last.")]
Dependencies = Annotated[bool, typer.Option("--deps/--no-deps", help="Pack the dependencies as well.")]
Python = Annotated[str | None, typer.Option("--python", help="Version of Python to pack for, like 3.12.")]


async def send_package(host: HostClient, package: Path, *, remember: bool = True) -> SequenceClient:
    """Send a package, with a progress bar; from now on ``-`` is the Sequence, unless it is not to be remembered."""
    with progress(f"Sending {package.name}") as report:
        sequence = await host.send_sequence(package, progress=report)
    if remember:
        session.remember("sequence", sequence.id)
    return sequence


async def start_instance(sequence: SequenceClient, options: dict[str, Any], *, remember: bool = True) -> InstanceClient:
    """Start an Instance; from now on ``-`` is the Instance, unless it is not to be remembered.

    Raises:
        CommandError: an option has a type that it can't have, as a startup file may give it.
    """
    try:
        instance = await sequence.start(**options)
    except (TypeError, ValueError) as error:
        raise CommandError(str(error), code=USAGE) from None
    if remember:
        session.remember("instance", instance.id)
    return instance


@contextmanager
def package_of(
    source: Path, *, deps: bool, python: str | None, keep: Path | None = None, for_hub: bool = True
) -> Iterator[Path]:
    """The package at a path, or one made from the folder there.

    Args:
        source: the path, or ``-``.
        deps: pack the dependencies.
        python: version of Python to pack for.
        keep: where the package stays.
        for_hub: dependencies are installed only if the Hub answers.
    """
    if str(source) == "-":
        source = Path(session.last("package"))
    if not source.exists():
        raise CommandError(f"there is no {source}: name a .tar.gz, or the folder of a Sequence", code=NOT_FOUND)
    if not source.is_dir():
        if keep is not None:
            raise CommandError(f"{source} is a package already: --output is for a folder", code=USAGE)
        yield source
        return
    from transform_hub.cli.packing import make

    with tempfile.TemporaryDirectory(prefix="si-") as place:
        package = keep or Path(place, f"{source.resolve().name}.tar.gz")
        ask = _ask_hub if for_hub else lambda: None
        make(source, package, dependencies=deps, python=python, before_installing=ask)
        if keep:
            session.remember("package", str(keep.resolve()))
        yield package


def _ask_hub() -> None:
    with_hub(lambda host: host.get_version())


@contextmanager
def packing_again(source: Path, *, deps: bool, python: str | None) -> Iterator[Callable[[], Path]]:
    """What packs the folder anew at each call; dependencies are installed when they have changed."""
    if not source.is_dir():
        raise CommandError(f"{source} is not a folder: --watch needs the folder of a Sequence", code=USAGE)
    from transform_hub.cli.packing import make

    with tempfile.TemporaryDirectory(prefix="si-") as place:
        package, cache = Path(place, f"{source.resolve().name}.tar.gz"), Path(place, "dependencies")

        def repack() -> Path:
            make(source, package, dependencies=deps, python=python, cache=cache, before_installing=_ask_hub)
            return package

        yield repack
