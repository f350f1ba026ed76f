"""``si config``: profiles, each with the URL of a Hub and how to use it."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from transform_hub import profile as profiles
from transform_hub.cli.command import App
from transform_hub.cli.completers import complete_profile
from transform_hub.cli.connection import profile
from transform_hub.cli.exits import USAGE, CommandError
from transform_hub.cli.output import note, show, show_list

app = App(help="Profiles: which Hub to use.")
set_app = App(help="Set values of the profile.")
reset_app = App(help="Reset values of the profile to their defaults.")
profile_app = App(help="Create profiles and choose one.")
app.add_typer(set_app, name="set")
app.add_typer(reset_app, name="reset")
app.add_typer(profile_app, name="profile|pr")

SECRET_SHOWN = 8
"""Characters of a token that are shown, enough to recognize it."""

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the profile.", autocompletion=complete_profile)]


@app.command("print|p")
def print_(
    token: Annotated[bool, typer.Option("--token", help="Show the whole token.")] = False,
) -> None:
    """Print the profile in use."""
    current = profile()
    note(f"Current profile: {current.name}")
    values = current.values
    if not token and len(values["token"]) > SECRET_SHOWN:
        values["token"] = values["token"][:SECRET_SHOWN] + "..."
    show(values)


@app.command("session|s")
def session_() -> None:
    """Print what - stands for in this session."""
    from transform_hub.cli import session

    show({key: session.remembered(kind) for kind, (key, _) in session.KINDS.items()})


@set_app.command("json")
def set_json(text: Annotated[str, typer.Argument(metavar="JSON", help="An object.")]) -> None:
    """Set several values at once."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CommandError(f"not JSON: {error}", code=USAGE) from None
    if not isinstance(values, dict):
        raise CommandError("the values must be a JSON object", code=USAGE)
    profile().update(values)


@set_app.command("apiUrl")
def set_api_url(
    url: Annotated[str, typer.Argument(metavar="URL", help="With its version path: http://127.0.0.1:8000/api/v1")],
) -> None:
    """Set the URL of the Hub's API."""
    profile().update({"apiUrl": url})


@set_app.command("middlewareApiUrl")
def set_middleware_api_url(
    url: Annotated[str, typer.Argument(metavar="URL", help="With its version path: http://127.0.0.1:8000/api/v1")],
) -> None:
    """Set the URL of a platform's API."""
    profile().update({"middlewareApiUrl": url})


@set_app.command("log")
def set_log(
    debug: Annotated[str | None, typer.Option("--debug", metavar="true|false", help="Tracebacks of errors.")] = None,
    format: Annotated[str | None, typer.Option("--format", metavar="pretty|json", help="Form of the answers.")] = None,
) -> None:
    """Set the form of answers and errors."""
    values: dict[str, Any] = {}
    if debug is not None:
        if debug not in ("true", "false"):
            raise typer.BadParameter("true or false", param_hint="--debug")
        values["debug"] = debug == "true"
    if format is not None:
        values["format"] = format
    profile().update({"log": values})


@set_app.command("scope")
def set_scope(name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the scope.")]) -> None:
    """Set the scope that a session starts with."""
    profile().update({"scope": name})


@set_app.command("token")
def set_token(token: Annotated[str, typer.Argument(metavar="TOKEN", help="The token; - reads it from stdin.")]) -> None:
    """Set the token that is sent to the Hub or the platform."""
    given = sys.stdin.read().strip() if token == "-" else token  # noqa: S105 - no password
    profile().update({"token": given})
    if given and not profiles.is_jwt(given):
        note("This is not a JSON Web Token: STH's own si would reset the profile")


@set_app.command("env")
def set_env(env: Annotated[str, typer.Argument(metavar="ENV", help="production or development.")]) -> None:
    """Set whether the Hub belongs to a platform (production)."""
    current = profile()
    if env == "production" and not current.middleware_api_url:
        raise CommandError("set the platform first: `si config set middlewareApiUrl URL`")
    current.update({"env": env})


def _add_reset(name: str) -> None:
    def reset() -> None:
        profile().reset(name)

    reset_app.command(name, help=f"Reset {name} to its default.")(reset)


for _name in ("apiUrl", "log", "middlewareApiUrl", "scope", "token", "env"):
    _add_reset(_name)


@reset_app.command("all")
def reset_all() -> None:
    """Reset everything to its default."""
    profile().update(profiles.DEFAULTS)


@profile_app.command("list|ls")
def list_profiles() -> None:
    """List the profiles."""
    active = profiles.active_name()
    columns = {"NAME": lambda each: each["name"], "ACTIVE": lambda each: "*" if each["active"] else ""}
    rows = [{"name": name, "active": name == active} for name in profiles.names()]
    show_list(rows, columns, id_of=lambda each: str(each["name"]), empty="")


@profile_app.command("use")
def use_profile(name: Name) -> None:
    """Activate a profile."""
    profiles.activate(name)


@profile_app.command("create")
def create_profile(name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the profile.")]) -> None:
    """Create a profile."""
    profiles.create(name)


@profile_app.command("remove")
def remove_profile(name: Name) -> None:
    """Delete a profile."""
    profiles.remove(name)
