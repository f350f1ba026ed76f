"""The options of commands that start an Instance: ``start``, ``deploy``, ``run``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from transform_hub.cli.exits import USAGE, CommandError
from transform_hub.cli.names import topic_name
from transform_hub.cli.secret_options import environment, secrets

Args = Annotated[str | None, typer.Option("--args", help="Arguments, a JSON array: '[\"a\", 1]'.")]
ConfigFile = Annotated[Path | None, typer.Option("-f", "--config-file", help="Configuration, a JSON or YAML file.")]
ConfigString = Annotated[str | None, typer.Option("-s", "--config-string", help="Configuration, a JSON object.")]
InstanceId = Annotated[str | None, typer.Option("--inst-id", help="36 characters to use as id of the Instance.")]
InputTopic = Annotated[str | None, typer.Option("--input-topic", help="Topic to read as input.", callback=topic_name)]
InputGroup = Annotated[
    str | None, typer.Option("--input-group", help="Group of readers of that topic, which share its items.")
]
OutputTopic = Annotated[
    str | None, typer.Option("--output-topic", help="Topic to send the output to.", callback=topic_name)
]
Limits = Annotated[str | None, typer.Option("--limits", help="Limits, a JSON object: '{\"memory\": 512}' (MB).")]
Restart = Annotated[str | None, typer.Option("--restart", help="Restart policy: never, on-failure[:5], always[:5].")]
StartupConfig = Annotated[
    Path | None, typer.Option("--startup-config", help="All of these in a JSON or YAML file, as for `sth`.")
]


def start_options(
    *,
    args: str | None,
    config_file: Path | None,
    config_string: str | None,
    instance_id: str | None = None,
    input_topic: str | None = None,
    input_group: str | None = None,
    output_topic: str | None = None,
    limits: str | None = None,
    restart: str | None = None,
    startup_config: Path | None = None,
    env: list[str] | None = None,
    env_file: list[Path] | None = None,
    secret: list[str] | None = None,
    hub_secret: list[str] | None = None,
) -> dict[str, Any]:
    """What a Sequence is started with.

    Raises:
        CommandError: an option is malformed.
    """
    if config_file is not None and config_string is not None:
        raise typer.BadParameter("use either --config-file or --config-string", param_hint="--config-string")
    options = _startup(startup_config)
    if args is not None:
        options["args"] = _json(args, list, "--args")
    if config_string is not None:
        options["app_config"] = _json(config_string, dict, "--config-string")
    if config_file is not None:
        options["app_config"] = _object(config_file)
    if limits is not None:
        options["limits"] = _json(limits, dict, "--limits")
    for name, values in (("env", environment(env, env_file)), ("secrets", secrets(secret, hub_secret))):
        if values:
            options[name] = {**(options.get(name) or {}), **values}
    given = {
        "instance_id": instance_id,
        "input_topic": input_topic,
        "input_group": input_group,
        "output_topic": output_topic,
        "restart": restart,
    }
    return {**options, **{name: value for name, value in given.items() if value is not None}}


def _startup(file: Path | None) -> dict[str, Any]:
    """Start options from a file: those of the API's start request."""
    if file is None:
        return {}
    value = _object(file)
    if isinstance(entries := value.get("sequences"), list) and entries and isinstance(entries[0], dict):
        value = entries[0]
    names = {
        "args": "args",
        "appConfig": "app_config",
        "instanceId": "instance_id",
        "inputTopic": "input_topic",
        "inputGroup": "input_group",
        "outputTopic": "output_topic",
        "limits": "limits",
        "restart": "restart",
        "env": "env",
        "secrets": "secrets",
    }
    return {option: value[key] for key, option in names.items() if key in value}


def _object(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8-sig")
        value = _yaml(text) if file.suffix in (".yaml", ".yml") else json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{file} is not JSON: {error}", code=USAGE) from None
    if not isinstance(value, dict):
        raise CommandError(f"{file} must hold an object", code=USAGE)
    return value


def _yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def _json(text: str, kind: type, option: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"not JSON: {error}", param_hint=option) from None
    if not isinstance(value, kind):
        word = "array" if kind is list else "object"
        raise typer.BadParameter(f"must be a JSON {word}", param_hint=option)
    return value
