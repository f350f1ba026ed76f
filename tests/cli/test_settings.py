"""Each setting, walked from its declaration: option, environment, file, ``GET /config``; test_docs.py has its row."""

import dataclasses
import json
import logging
import os
from pathlib import Path

import pytest
import typer

from transform_hub.cli.sth import app
from transform_hub.hub.config import DaemonConfig, HubConfig
from transform_hub.hub.setting import configure, settings_of

SETTINGS = {each.name: each for each in settings_of(DaemonConfig)}
TEXTS = {"runtime_adapter": "detect", "log_format": "json", "cors_origin": "x", "tags": "a,b", "runner_envs": "A=1;B=2"}
VALUES = {"cors_origin": ["x"], "tags": ["a", "b"], "runner_envs": {"A": "1", "B": "2"}}


@pytest.fixture
def parse(monkeypatch):
    """Makes the configuration that ``sth`` would have with these arguments."""
    for name in [name for name in os.environ if name.startswith("STH_")]:
        monkeypatch.delenv(name)
    root, command = logging.getLogger(), typer.main.get_command(app)
    handlers = list(root.handlers)
    yield lambda *arguments: configure(DaemonConfig, command.make_context("sth", list(arguments)).params)
    root.handlers[:] = handlers


def other(setting):
    """A value that is not the default, as a text and as JSON."""
    if setting.name in TEXTS:
        return TEXTS[setting.name], VALUES.get(setting.name, TEXTS[setting.name])
    value = not setting.default if isinstance(setting.default, bool) else 77 if number(setting) else "/x"
    return json.dumps(value).strip('"'), value


def number(setting):
    return setting.file_type in (int, float)


def option(setting, text):
    flags = setting.flags.split()[-1].split("/")
    if setting.file_type is bool:
        return [flags[0 if text == "true" else -1]]
    return [flags[0], text]


def companions(setting):
    """Options of what has to be given with it."""
    group = [each for each in SETTINGS.values() if each.group is setting.group and each.is_required and each != setting]
    return [word for each in group for word in option(each, other(each)[0])]


@pytest.mark.parametrize("way", ["option", "environment", "file"])
@pytest.mark.parametrize("name", SETTINGS)
def test_it_can_be_given(parse, monkeypatch, tmp_path, name, way):
    setting = SETTINGS[name]
    text, value = other(setting)
    arguments = companions(setting)
    if way == "option":
        if name == "identify_existing":
            text, value = "true", True  # nothing turns it off
        arguments += option(setting, text)
    elif way == "environment":
        monkeypatch.setenv(setting.variable, text)
    else:
        content = value
        for key in reversed(setting.key.split(".")):
            content = {key: content}
        (tmp_path / "hub.json").write_text(json.dumps(content))
        arguments += ["--config", str(tmp_path / "hub.json")]
    found = setting.read(parse(*arguments))
    expected = setting.value(value)
    assert found == (Path(expected) if isinstance(found, Path) else expected)
    assert found != setting.default or (name, way) == ("identify_existing", "option")


@pytest.mark.parametrize("name", SETTINGS)
def test_get_config_has_it_if_it_is_declared_as_shown(parse, name):
    setting = SETTINGS[name]
    needed = companions(setting)
    without, config = parse(*needed), parse(*needed, *option(setting, other(setting)[0]))
    before, after = flat(without.public(without.port)), flat(config.public(config.port))
    changed = {key for key in {**before, **after} if before[key] != after[key]}
    assert changed == ({setting.key} if setting.shown else set())
    assert (str(setting.read(config)) in repr(config)) is not setting.secret


def flat(section, prefix=""):
    if not isinstance(section, dict):
        return {prefix.rstrip("."): section}
    return {key: each for name, value in section.items() for key, each in flat(value, f"{prefix}{name}.").items()}


def test_nothing_is_declared_twice_or_not_at_all():
    assert len({each.key for each in SETTINGS.values()}) == len(settings_of(DaemonConfig)) == len(SETTINGS)
    declared = {each.path[0] for each in SETTINGS.values()}
    assert {field.name for field in dataclasses.fields(DaemonConfig)} - declared == {"data_dir", "token", "tokens"}


def test_defaults_are_those_of_a_hub_in_python(parse):
    of_sth = {"sequences_root", "cgroups", "reattach"}
    config, hub = parse(), HubConfig(data_dir=Path())
    differ = {each.name for each in settings_of(HubConfig) if not each.group and each.read(config) != each.read(hub)}
    assert differ == of_sth
    assert (config.limits, config.instance_limits, config.tls) == (hub.limits, hub.instance_limits, None)
    assert config.instance_requirements == hub.instance_requirements


def test_what_needs_another_setting_says_so(parse):
    with pytest.raises(ValueError, match="--tls-key needs --tls-cert"):
        parse("--tls-key", "key.pem")
    assert parse("--healtz-host", "localhost").health is None
