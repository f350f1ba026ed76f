"""``sth``: run a Transform Hub, with the options that STH has.

Each setting can be given in four ways, of which the later one counts: the default, the configuration file
(``--config``), the environment (``STH_`` and the name of the option), the option itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Annotated, Any

import platformdirs
import typer

from transform_hub.cli import sth_compat
from transform_hub.cli.descriptors import open_standard
from transform_hub.cli.panels import PanelCommand
from transform_hub.cli.version import Version
from transform_hub.errors import HubStartError
from transform_hub.hub.access.auth import Token, parse_tokens
from transform_hub.hub.access.tls import TLSConfig
from transform_hub.hub.config import LOG_LEVELS, HealtzConfig, HubConfig, InstanceRequirements
from transform_hub.hub.observability.log_format import LogFormat, hold_log, write_log
from transform_hub.hub.setup.settings import read_settings
from transform_hub.models import InstanceLimits
from transform_hub.package import Limits

DATA_DIR = platformdirs.user_data_path("scramjet-transform-hub")
MIB = 1024 * 1024

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "STH", "max_content_width": 100},
)

_option = functools.partial(typer.Option, show_envvar=False)  # the rule says it better than forty names
_api = functools.partial(_option, rich_help_panel="API")
_sequences = functools.partial(_option, rich_help_panel="Sequences")
_instances = functools.partial(_option, rich_help_panel="Instances")
_room = functools.partial(_option, rich_help_panel="What must be free for another Instance", min=0)
_about = functools.partial(_option, rich_help_panel="Description and log")
_health = functools.partial(_option, rich_help_panel="Health server")


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except HubStartError as error:
        typer.echo(f"sth: {error}", err=True)
        raise typer.Exit(1) from None


def _from_file(context: typer.Context, path: Path | None) -> Path | None:
    hold_log()
    if path is not None:
        with _refusals():
            context.default_map = read_settings(path)
    return path


def _pairs(value: Any) -> dict[str, str]:
    if isinstance(value, dict):  # from a file
        return value
    pairs = {}
    for pair in filter(None, value.split(";")):
        name, equals, content = pair.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{pair!r} is not NAME=value")
        pairs[name] = content
    return pairs


def _names(value: Any) -> list[str]:
    return [name for name in (value.split(",") if isinstance(value, str) else value) if name]


@app.command(cls=PanelCommand)
def sth(
    config: Annotated[
        Path | None,
        _option("-c", "--config", help="JSON or YAML file with settings.", callback=_from_file, is_eager=True),
    ] = None,
    version: Version = False,
    port: Annotated[int, _api("-P", "--port", min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    hostname: Annotated[str, _api("-H", "--hostname", help="Address to listen on.")] = "127.0.0.1",
    token_file: Annotated[
        Path | None, _api(help="File with the tokens that clients must send. STH_TOKEN may have them instead.")
    ] = None,
    insecure: Annotated[bool, _api("--insecure", help="Listen beyond loopback without a token.")] = False,
    tls_cert: Annotated[Path | None, _api(help="PEM file with the Hub's certificate: serve https.")] = None,
    tls_key: Annotated[Path | None, _api(help="PEM file with its key, if that is not in the same.")] = None,
    tls_client_ca: Annotated[
        Path | None, _api(help="PEM file with authorities: clients must show a certificate of theirs.")
    ] = None,
    max_connections: Annotated[int, _api(min=1, help="Connections at the same time.")] = 10_000,
    cors_origin: Annotated[
        list[str] | None, _api(metavar="URL", help="Web page that may use the API; repeat it for more, * for all.")
    ] = None,
    id: Annotated[str, _api("-I", "--id", help="Id of this Hub.")] = "STH",
    sequences_root: Annotated[
        Path, _sequences("-D", "--sequences-root", help="Directory where Sequences are kept.")
    ] = DATA_DIR / "sequences",
    identify_existing: Annotated[
        bool,
        _sequences(
            "-E", "--identify-existing", help="Find the Sequences that are there: always on.", show_default=False
        ),
    ] = True,
    package_max_size: Annotated[int, _sequences(min=1, help="MiB that a package may have.")] = 1024,
    package_max_unpacked: Annotated[int, _sequences(min=1, help="MiB that it may have unpacked.")] = 2048,
    package_max_files: Annotated[int, _sequences(min=1, help="Files, links, directories it may have.")] = 100_000,
    package_max_ratio: Annotated[float, _sequences(min=1, help="Bytes unpacked for each byte packed.")] = 200,
    startup_config: Annotated[
        Path | None, _instances("-S", "--startup-config", help="JSON or YAML file that says what to start.")
    ] = None,
    exit_with_last_instance: Annotated[
        bool, _instances("-X", "--exit-with-last-instance", help="End when the last Instance is gone.")
    ] = False,
    kill_on_exit: Annotated[
        bool, _instances("-K", "--kill-on-exit", help="Exit with the signal's number. Instances end in any case.")
    ] = False,
    shutdown_timeout: Annotated[
        int, _instances(min=0, help="ms that Instances have to stop when the Hub ends, before they are killed.")
    ] = 5000,
    instance_lifetime_extension_delay: Annotated[
        int, _instances(min=0, help="ms that an ended Instance and its unread output are kept.")
    ] = 180_000,
    restart_policy: Annotated[
        str,
        _instances(metavar="POLICY", help="Of Instances started without one: never, on-failure[:5], always[:5]."),
    ] = "never",
    history_limit: Annotated[
        int, _instances(min=0, max=100_000, help="Ended Instances that the history keeps; 0: none.")
    ] = 1000,
    heart_beat_interval: Annotated[int, _instances(min=1, help="ms between heartbeats in the audit.")] = 10_000,
    runner_envs: Annotated[
        Any, _instances(parser=_pairs, metavar="A=1;B=2", help="Environment variables for Sequences.")
    ] = None,
    max_instances: Annotated[int | None, _instances(min=1, help="Instances that run at the same time.")] = None,
    sandbox: Annotated[bool, _instances(help="Run each in a sandbox of bubblewrap.")] = False,
    sandbox_network: Annotated[bool, _instances(help="Let sandboxes reach the network.")] = True,
    instance_memory: Annotated[float | None, _instances(min=64, help="MB of memory that each may have.")] = None,
    instance_cpu_time: Annotated[int | None, _instances(min=1, help="Seconds of CPU time that each may use.")] = None,
    instance_open_files: Annotated[int | None, _instances(min=64, help="Files that each may have open.")] = None,
    instance_processes: Annotated[int | None, _instances(min=16, help="Processes and threads of each.")] = None,
    cgroups: Annotated[bool, _instances(help="Limit Instances by cgroups v2, if possible.")] = True,
    runtime_adapter: Annotated[str, _instances(help="Where runners live: process, or detect.")] = "process",
    zygote: Annotated[bool, _instances(help="Fork runners from a warmed-up process.")] = True,
    reattach: Annotated[bool, _instances(help="Let Instances outlive a Hub that is killed.")] = True,
    reattach_timeout: Annotated[int, _instances(min=0, help="ms that they wait for the next Hub.")] = 60_000,
    safe_operation_limit: Annotated[float, _room(help="MiB of each disk that do not count as available.")] = 512,
    min_free_cpu: Annotated[float, _room(max=100, help="Percent; the load must be below 100 less this.")] = 10,
    min_free_mem: Annotated[float, _room(help="MiB of memory.")] = 256,
    min_free_space: Annotated[float, _room(help="MiB of disk.")] = 128,
    log_level: Annotated[str, _about("-L", "--log-level", help=f"One of {', '.join(LOG_LEVELS)}.")] = "info",
    log_format: Annotated[LogFormat, _about(help="auto is text on a terminal, else JSON.")] = LogFormat.AUTO,
    description: Annotated[str, _about(help="Shown in the configuration.")] = "",
    custom_name: Annotated[str, _about(help="Shown in the configuration.")] = "",
    tags: Annotated[Any, _about(parser=_names, metavar="A,B", help="Shown in the configuration.")] = None,
    healtz_port: Annotated[int | None, _health(min=0, max=65535, help="Port; without one there is no server.")] = None,
    healtz_host: Annotated[str, _health(help="Address to listen on.")] = "localhost",
    healtz_path: Annotated[str, _health(help="Path that answers.")] = "healtz",
    no_colors: sth_compat.NoColors = False,
    no_docker: sth_compat.NoDocker = False,
    no_telemetry: sth_compat.NoTelemetry = False,
    debug: sth_compat.Debug = False,
    federation: sth_compat.Federation = False,
    environment: sth_compat.Environment = "",
    instances_port: sth_compat.InstancesPort = None,
    containers: sth_compat.Containers = None,
    kubernetes: sth_compat.Kubernetes = None,
    manager: sth_compat.Manager = None,
) -> None:  # fmt: skip
    """Run a Transform Hub until Ctrl-C or SIGTERM.

    A setting is taken from its option, else from the environment (STH_PORT for --port, and so on), else from the
    file of --config, else it has its default. The tokens of clients are taken from the environment (STH_TOKEN) or a
    file, never from the command line.
    """
    del config, version, no_colors, no_docker, no_telemetry
    _set_log_level(log_level)
    write_log(log_format)
    sth_compat.refuse(manager=manager, runtime_adapter=runtime_adapter)
    sth_compat.warn(
        identify_existing=identify_existing, debug=debug, federation=federation, environment=environment,
        instances_port=instances_port, containers=containers, kubernetes=kubernetes,
    )  # fmt: skip
    settings = HubConfig(
        host=hostname,
        port=port,
        data_dir=DATA_DIR,
        sequences_root=sequences_root,
        hub_id=id,
        log_level=log_level,
        retention_ms=instance_lifetime_extension_delay,
        heartbeat_ms=heart_beat_interval,
        restart_policy=restart_policy,
        history_limit=history_limit,
        runner_envs=runner_envs or {},
        description=description,
        custom_name=custom_name,
        tags=tuple(tags or ()),
        tokens=_tokens() if token_file is None else (),
        token_file=token_file,
        insecure=insecure,
        tls=_tls(tls_cert, tls_key, tls_client_ca),
        max_connections=max_connections,
        max_instances=max_instances,
        sandbox=sandbox,
        sandbox_network=sandbox_network,
        cgroups=cgroups,
        instance_limits=InstanceLimits(
            memory=instance_memory, cpu=instance_cpu_time, files=instance_open_files, processes=instance_processes
        ),
        cors_origins=tuple(cors_origin or ()),
        zygote=zygote,
        reattach=reattach,
        reattach_timeout_ms=reattach_timeout,
        exit_with_last_instance=exit_with_last_instance,
        safe_operation_limit=safe_operation_limit,
        instance_requirements=InstanceRequirements(
            cpu_load=min_free_cpu, free_mem=min_free_mem, free_space=min_free_space
        ),
        limits=Limits(
            max_archive_bytes=package_max_size * MIB,
            max_unpacked_bytes=package_max_unpacked * MIB,
            max_files=package_max_files,
            max_ratio=package_max_ratio,
        ),
    )
    health = None if healtz_port is None else HealtzConfig(port=healtz_port, host=healtz_host, path=healtz_path)
    from transform_hub.hub.setup.daemon import run

    with _refusals():
        code = _run(
            run(
                settings,
                startup_config=startup_config,
                healtz=health,
                kill_on_exit=kill_on_exit,
                shutdown_timeout_ms=shutdown_timeout,
            )
        )
    raise typer.Exit(code)


def _tls(certificate: Path | None, key: Path | None, client_ca: Path | None) -> TLSConfig | None:
    if certificate is not None:
        return TLSConfig(certificate=certificate, key=key, client_ca=client_ca)
    if key is not None or client_ca is not None:
        raise typer.BadParameter("it goes with a certificate: --tls-cert", param_hint="--tls-key, --tls-client-ca")
    return None


def _tokens() -> tuple[Token, ...]:
    """Those in the environment, from which they are taken away: what is started from here has no use for them."""
    text = os.environ.pop("STH_TOKEN", "")
    with _refusals():
        return parse_tokens(text, "STH_TOKEN") if text else ()


def _set_log_level(level: str) -> None:
    names: dict[str, int | str] = {"trace": 1, "fatal": "CRITICAL"}
    with contextlib.suppress(ValueError):  # the Hub refuses a level that does not exist
        logging.getLogger().setLevel(names.get(level.lower()) or level.upper())


def _run(main: Coroutine[Any, Any, int]) -> int:
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)


def main() -> None:
    """Entry point of ``sth``."""
    open_standard()
    with contextlib.suppress(KeyboardInterrupt):
        app(prog_name="sth")


if __name__ == "__main__":
    main()
