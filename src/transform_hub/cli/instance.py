"""``si instance``: inspect, watch, stop, kill, restart; see ``instance_streams`` for its streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from transform_hub.cli import event, instance_streams, session
from transform_hub.cli.command import App
from transform_hub.cli.connection import with_hub
from transform_hub.cli.exits import USAGE, CommandError
from transform_hub.cli.instance_streams import Id
from transform_hub.cli.names import find_instance
from transform_hub.cli.output import show, show_list, show_made
from transform_hub.cli.secret_options import Env, EnvFile, HubSecret, Secret, environment, secrets

if TYPE_CHECKING:
    from transform_hub.client.host import HostClient
    from transform_hub.client.instance import InstanceClient
    from transform_hub.models import InstanceInfo

app = App(help="Instances: running Sequences.")
instance_streams.add_to(app)
app.add_typer(event.app, name="event")


@app.command("list|ls")
def list_() -> None:
    """List the Instances."""
    columns = {
        "ID": lambda each: each.id,
        "SEQUENCE": lambda each: each.sequence.name or each.sequence.config.name or each.sequence.id,
        "STATUS": _status,
        "RESTARTS": lambda each: each.restarts if each.restart_policy else None,
        "STARTED": lambda each: each.started or each.created,
        "READS": lambda each: each.requires,
        "WRITES": lambda each: each.provides,
    }
    show_list(
        with_hub(lambda host: host.list_instances()),
        columns,
        id_of=lambda each: each.id,
        empty="There are no Instances: start one with `si sequence start`.",
    )


@app.command()
def history(
    sequence: Annotated[str | None, typer.Option("-s", "--sequence", help="Only of this Sequence: id or name.")] = None,
    limit: Annotated[int, typer.Option("-n", "--limit", help="Instances at most.", min=1)] = 100,
    offset: Annotated[int, typer.Option("--offset", help="Instances to skip.", min=0)] = 0,
) -> None:
    """List Instances that have ended, latest first, including earlier runs of the Hub."""
    columns = {
        "ID": lambda each: each.id,
        "SEQUENCE": lambda each: each.sequence.name or each.sequence.id,
        "STARTED": lambda each: each.started,
        "ENDED": lambda each: each.ended,
        "EXIT": lambda each: each.terminated and each.terminated.exitcode,
        "RESTARTS": lambda each: each.restarts or None,
        "WHY": lambda each: each.error or (each.terminated and each.terminated.reason),
    }
    show_list(
        with_hub(lambda host: host.list_history(sequence=sequence, limit=limit, offset=offset)),
        columns,
        id_of=lambda each: each.id,
        empty="No Instance has ended.",
    )


@app.command()
def use(id: Id) -> None:
    """Let - stand for an Instance."""
    session.remember("instance", with_hub(lambda host: find_instance(host, id)).id)


@app.command()
def info(id: Id) -> None:
    """Show an Instance."""

    async def look(host: HostClient) -> Any:
        return await (await find_instance(host, id)).get_info()

    show(with_hub(look))


@app.command()
def health(id: Id) -> None:
    """Show the health that an Instance reports."""

    async def look(host: HostClient) -> Any:
        return (await (await find_instance(host, id)).get_health()).answer

    show(with_hub(look))


@app.command()
def top(
    interval: Annotated[float, typer.Option("-n", "--interval", help="Seconds between updates.", min=0.1)] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Show one update and exit.")] = False,
) -> None:
    """Watch the Instances: state, CPU, memory and streams, until Ctrl-C.

    CPU and memory are those of the Instance's process, if the Hub is on this machine.
    """
    from transform_hub.cli.top import watch

    with_hub(lambda host: watch(host, interval, once=once))


@app.command()
def stop(
    id: Id,
    timeout: Annotated[int, typer.Argument(help="Milliseconds until it is killed.", min=0)] = 7000,
) -> None:
    """Ask an Instance to stop, and show how it ended."""

    async def end(host: HostClient) -> InstanceInfo:
        return await (await find_instance(host, id)).stop(timeout / 1000, can_keep_alive=True)

    show(with_hub(end))


@app.command()
def kill(
    id: Id,
    remove_immediately: Annotated[
        bool, typer.Option("--removeImmediately", "--remove-immediately", help="Make the Hub forget it at once.")
    ] = False,
) -> None:
    """Kill an Instance."""

    async def end(host: HostClient) -> InstanceInfo:
        return await (await find_instance(host, id)).kill(remove_immediately=remove_immediately)

    ended = with_hub(end)
    session.forget("instance", ended.id)
    show(ended)


@app.command()
def restart(
    id: Id, env: Env = None, env_file: EnvFile = None, secret: Secret = None, hub_secret: HubSecret = None
) -> None:
    """Kill an Instance, and start one with the same id, arguments, configuration, topics and restart policy.

    Variables and secrets have to be given again: the Hub does not tell them.
    """
    variables, hidden = environment(env, env_file), secrets(secret, hub_secret)

    async def again(host: HostClient) -> InstanceClient:
        instance = await find_instance(host, id)
        try:
            return await instance.restart(env=variables, secrets=hidden)
        except ValueError as error:
            raise CommandError(str(error), code=USAGE) from None

    instance = with_hub(again)
    session.remember("instance", instance.id)
    show_made("Instance", instance.id)


def _status(info: InstanceInfo) -> str:
    if info.next_restart is not None:
        return f"{info.status} at {info.next_restart}"
    if info.terminated is None:
        return info.status
    return f"{info.status} ({info.terminated.exitcode})"
