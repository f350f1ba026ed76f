"""Each setting, walked from its declaration: option, environment, file, ``GET /config``; test_docs.py has its row."""

import dataclasses
import json
import logging
import os
from pathlib import Path

import pytest
import typer

from transform_hub.cli.sth import app
from transform_hub.hub.config import DATA_DIR, DaemonConfig
from transform_hub.hub.setting import settings_of
from transform_hub.hub.setup import daemon

SETTINGS = {each.name: each for each in settings_of(DaemonConfig)}
SPECIAL = {
    "runtime_adapter": ("detect", "detect"),
    "log_format": ("json", "json"),
    "cors_origin": ("x", ["x"]),
    "tags": ("a,b", ["a", "b"]),
    "runner_envs": ("A=1;B=2", {"A": "1", "B": "2"}),
    "identify_existing": ("true", True),  # the option can't turn it off
}


@pytest.fixture
def parse(monkeypatch):
    """The configuration with which ``sth`` would run a Hub."""
    for name in os.environ:
        if name.startswith("STH_"):
            monkeypatch.delenv(name)
    root, found = logging.getLogger(), []
    before = list(root.handlers), root.level

    async def run(config):
        found.append(config)
        return 0

    def parsed(*arguments):
        assert typer.main.get_command(app).main(arguments, "sth", standalone_mode=False) == 0
        return found[-1]

    monkeypatch.setattr(daemon, "run", run)
    yield parsed
    root.handlers[:] = before[0]
    root.setLevel(before[1])


def sample(setting):
    """A value that is not the default, for the option and for the file."""
    if setting.name in SPECIAL:
        return SPECIAL[setting.name]
    if setting.file_type is bool:
        return json.dumps(not setting.default), not setting.default
    return ("77", 77) if setting.file_type in (int, float) else ("/x", "/x")


def option(setting):
    flags, text = setting.flags.split()[-1].split("/"), sample(setting)[0]
    return {"true": [flags[0]], "false": [flags[-1]]}.get(text, [flags[0], text])


def needed(setting):
    """Options of the settings that this one can't do without."""
    required = [each for each in SETTINGS.values() if each.group is setting.group and each.is_required]
    return [word for each in required if each != setting for word in option(each)]


@pytest.mark.parametrize("way", ["option", "environment", "file"])
@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_a_setting_can_be_given(parse, monkeypatch, tmp_path, setting, way):
    text, value = sample(setting)
    if way == "environment":
        monkeypatch.setenv(setting.variable, text)
    elif way == "file":
        document = value
        for key in reversed(setting.key.split(".")):
            document = {key: document}
        (tmp_path / "hub.json").write_text(json.dumps(document))
        monkeypatch.setenv("STH_CONFIG", str(tmp_path / "hub.json"))
    found = setting.read(parse(*needed(setting), *(option(setting) if way == "option" else ())))
    assert found == (Path(value) if "Path" in str(setting.type) else setting.value(value))
    assert found != setting.default or setting.name == "identify_existing"


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_get_config_has_a_setting_that_is_shown_and_nothing_of_others(parse, setting):
    without, config = parse(*needed(setting)), parse(*needed(setting), *option(setting))
    before, after = flat(without.public(without.port)), flat(config.public(config.port))
    assert {key for key in after if before[key] != after[key]} == ({setting.key} if setting.shown else set())
    assert (str(setting.read(config)) in repr(config)) is not setting.secret


def flat(section, prefix=""):
    if not isinstance(section, dict):
        return {prefix.rstrip("."): section}
    return {key: each for name, value in section.items() for key, each in flat(value, f"{prefix}{name}.").items()}


def test_every_field_is_declared_once():
    assert len({each.key for each in SETTINGS.values()}) == len(settings_of(DaemonConfig)) == len(SETTINGS)
    declared = {each.path[0] for each in SETTINGS.values()}
    assert {field.name for field in dataclasses.fields(DaemonConfig)} - declared == {"data_dir", "token", "tokens"}


def test_defaults_are_those_of_a_hub_in_python_but_for_three(parse):
    assert parse() == DaemonConfig(sequences_root=DATA_DIR / "sequences", cgroups=True, reattach=True)


def test_a_setting_that_needs_another_says_so(parse):
    with pytest.raises(typer.BadParameter, match="--tls-key needs --tls-cert"):
        parse("--tls-key", "key.pem")
    assert parse("--healtz-host", "localhost").health is None
