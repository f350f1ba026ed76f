"""``si sequence``: pack, send, list, start, delete."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from transform_hub.cli import session
from transform_hub.cli.command import App
from transform_hub.cli.completers import complete_sequence
from transform_hub.cli.connection import with_hub
from transform_hub.cli.exits import CommandError
from transform_hub.cli.names import find_sequence
from transform_hub.cli.output import is_pretty, note, show, show_id, show_list, show_made, size
from transform_hub.cli.progress import progress
from transform_hub.cli.run import run
from transform_hub.cli.secret_options import Env, EnvFile, HubSecret, Secret
from transform_hub.cli.sending import Dependencies, Python, Source, package_of, send_package, start_instance
from transform_hub.cli.settings import settings
from transform_hub.cli.start_options import (
    Args,
    ConfigFile,
    ConfigString,
    InputGroup,
    InputTopic,
    InstanceId,
    Limits,
    OutputTopic,
    Restart,
    StartupConfig,
    start_options,
)
from transform_hub.cli.visible import visible

if TYPE_CHECKING:
    from transform_hub.cli.packing import Made
    from transform_hub.client.host import HostClient
    from transform_hub.client.instance import InstanceClient
    from transform_hub.client.sequence import SequenceClient

app = App(help="Sequences: packaged programs on the Hub.")
app.command()(run)

Id = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="Id, start of an id, name, or - for the last one.", autocompletion=complete_sequence
    ),
]
Force = Annotated[bool, typer.Option("-f", "--force", help="Kill Instances first.")]


@app.command("list|ls")
def list_(
    name: Annotated[str | None, typer.Option("-n", "--name", help="Only those of this name.")] = None,
) -> None:
    """List the Sequences."""
    found = with_hub(lambda host: host.list_sequences())
    shown = [each for each in found if name is None or name in (each.name, each.config.name)]
    columns = {
        "ID": lambda each: each.id,
        "NAME": lambda each: each.name or each.config.name,
        "VERSION": lambda each: each.config.version,
        "RUNS ON": lambda each: " ".join(f"{key} {value}" for key, value in each.config.engines.items()),
        "INSTANCES": lambda each: len(each.instances or ()),
        "DESCRIPTION": lambda each: each.config.description,
    }
    show_list(
        shown, columns, id_of=lambda each: each.id, empty="There are no Sequences: send one with `si sequence send`."
    )


@app.command("use|select")
def use(id: Id) -> None:
    """Let - stand for a Sequence."""
    session.remember("sequence", with_hub(lambda host: find_sequence(host, id)).id)


@app.command("info|get")
def info(id: Id) -> None:
    """Show a Sequence."""

    async def look(host: HostClient) -> Any:
        return await (await find_sequence(host, id)).get_info()

    show(with_hub(look))


@app.command()
def pack(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder with the package.json.")],
    stdout: Annotated[bool, typer.Option("-c", "--stdout", help="Write the package to stdout.")] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write.  [default: FOLDER.tar.gz]")
    ] = None,
    deps: Dependencies = True,
    python: Python = None,
) -> None:
    """Pack a folder and its dependencies into a .tar.gz.

    Python: requirements.txt, or the dependencies of pyproject.toml, are installed into __pypackages__ of the package.
    JavaScript: npm installs the dependencies of package.json. Files that .siignore names are left out.
    """
    from transform_hub.cli.packing import make

    if stdout:
        made = make(folder, sys.stdout.buffer, dependencies=deps, python=python)
        sys.stdout.buffer.flush()
        note(_summary("stdout", made))
        return
    path = output or folder.resolve().with_name(f"{folder.resolve().name}.tar.gz")
    made = make(folder, path, dependencies=deps, python=python)
    session.remember("package", str(path.resolve()))
    if settings.quiet:
        return
    if is_pretty():
        print(_summary(str(path), made))
    else:
        show(
            {
                "path": str(path),
                "files": made.packed.files,
                "dependencies": made.dependencies,
                "packedBytes": made.packed.packed_bytes,
                "unpackedBytes": made.packed.unpacked_bytes,
            }
        )


@app.command()
def send(source: Source, deps: Dependencies = True, python: Python = None) -> None:
    """Send a Sequence to the Hub."""
    with package_of(source, deps=deps, python=python) as package:
        sent = with_hub(lambda host: send_package(host, package))
    show_made("Sequence", sent.id)


@app.command()
def update(id: Id, source: Source, deps: Dependencies = True, python: Python = None) -> None:
    """Replace a Sequence that has no Instances; it keeps its id."""

    async def overwrite(host: HostClient, package: Path) -> SequenceClient:
        sequence = await find_sequence(host, id)
        with progress(f"Sending {package.name}") as report:
            await sequence.overwrite(package, progress=report)
        session.remember("sequence", sequence.id)
        return sequence

    with package_of(source, deps=deps, python=python) as package:
        sent = with_hub(lambda host: overwrite(host, package))
    show_made("Sequence", sent.id)


@app.command()
def start(
    id: Id,
    args: Args = None,
    config_file: ConfigFile = None,
    config_string: ConfigString = None,
    inst_id: InstanceId = None,
    input_topic: InputTopic = None,
    input_group: InputGroup = None,
    output_topic: OutputTopic = None,
    limits: Limits = None,
    restart: Restart = None,
    startup_config: StartupConfig = None,
    env: Env = None,
    env_file: EnvFile = None,
    secret: Secret = None,
    hub_secret: HubSecret = None,
) -> None:
    """Start an Instance of a Sequence."""
    options = start_options(
        args=args,
        config_file=config_file,
        config_string=config_string,
        instance_id=inst_id,
        input_topic=input_topic,
        input_group=input_group,
        output_topic=output_topic,
        limits=limits,
        restart=restart,
        startup_config=startup_config,
        env=env,
        env_file=env_file,
        secret=secret,
        hub_secret=hub_secret,
    )

    async def begin(host: HostClient) -> InstanceClient:
        return await start_instance(await find_sequence(host, id), options)

    show_made("Instance", with_hub(begin).id)


@app.command()
def deploy(
    source: Source,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Keep the package as this file.")] = None,
    args: Args = None,
    config_file: ConfigFile = None,
    config_string: ConfigString = None,
    inst_id: InstanceId = None,
    input_topic: InputTopic = None,
    input_group: InputGroup = None,
    output_topic: OutputTopic = None,
    limits: Limits = None,
    restart: Restart = None,
    startup_config: StartupConfig = None,
    env: Env = None,
    env_file: EnvFile = None,
    secret: Secret = None,
    hub_secret: HubSecret = None,
    deps: Dependencies = True,
    python: Python = None,
) -> None:
    """Pack a folder, send it and start it."""
    options = start_options(
        args=args,
        config_file=config_file,
        config_string=config_string,
        instance_id=inst_id,
        input_topic=input_topic,
        input_group=input_group,
        output_topic=output_topic,
        limits=limits,
        restart=restart,
        startup_config=startup_config,
        env=env,
        env_file=env_file,
        secret=secret,
        hub_secret=hub_secret,
    )

    async def begin(host: HostClient, package: Path) -> InstanceClient:
        return await start_instance(await send_package(host, package), options)

    with package_of(source, deps=deps, python=python, keep=output) as package:
        instance = with_hub(lambda host: begin(host, package))
    show_made("Instance", instance.id)


@app.command("delete|rm")
def delete(id: Id, force: Force = False) -> None:
    """Delete a Sequence."""

    async def remove(host: HostClient) -> str:
        from transform_hub.errors import ConflictError

        sequence = await find_sequence(host, id)
        try:
            await sequence.delete(force=force)
        except ConflictError as error:
            error.hint = "--force kills its Instances first"
            raise
        return sequence.id

    removed = with_hub(remove)
    session.forget("sequence", removed)
    show_id(removed)


@app.command()
def prune(force: Force = False) -> None:
    """Delete all Sequences."""

    async def remove_all(host: HostClient) -> tuple[list[str], list[str]]:
        from transform_hub.errors import ConflictError, NotFoundError

        removed, left = [], []
        for each in await host.list_sequences():
            try:
                await host.delete_sequence(each.id, force=force)
            except NotFoundError:  # deleted by somebody else
                continue
            except ConflictError:
                left.append(each.id)
                continue
            removed.append(each.id)
        return removed, left

    removed, left = with_hub(remove_all)
    for each in removed:
        session.forget("sequence", each)
    show({"deleted": removed, "inUse": left})
    if left:
        raise CommandError(f"{len(left)} Sequences have Instances: --force kills them")


def _summary(where: str, made: Made) -> str:
    lines = [f"  {visible(name)}" for name in _few(made.packed.files)]
    if made.dependencies:
        lines += ["with", *(f"  {each}" for each in _few(made.dependencies))]
    sizes = f"{size(made.packed.packed_bytes)} ({size(made.packed.unpacked_bytes)} unpacked)"
    return "\n".join([f"{where}: {len(made.packed.files)} files, {sizes}", *lines])


def _few(names: tuple[str, ...], most: int = 20) -> list[str]:
    return [*names[:most], *([f"... and {len(names) - most} more"] if len(names) > most else [])]
