"""Commands of a platform, against one as it is described, with a real Hub behind it."""

import asyncio
import json

import pytest
from recorded_manager import Hub
from recorded_platform import TOKEN, Platform

pytestmark = pytest.mark.slow


@pytest.fixture
async def platform(hub):
    async with Platform() as running:
        running.manager("space").hubs["sth-0"] = Hub(hub.url)
        yield running


@pytest.fixture
def on_platform(lonely, platform, tmp_path):
    """``si`` with a profile for production, as a coroutine."""
    profile = {"middlewareApiUrl": platform.url, "env": "production", "token": TOKEN, "of our own": [1]}
    (tmp_path / "profile.json").write_text(json.dumps(profile))
    lonely.env["SI_CONFIG_PATH"] = str(tmp_path / "profile.json")

    async def run(*words, **options):
        return await asyncio.to_thread(lonely, *words, **options)

    return run


async def test_from_spaces_to_an_instance(on_platform, folder, hub):
    assert (await on_platform("space", "ls")).json == [{"id": "space"}]
    assert [each["id"] for each in (await on_platform("hub", "list")).json] == ["sth-0"]
    chosen = await on_platform("seq", "send", folder("def run(context, input):\n    return 'over'\n"))
    assert "Hub: sth-0" in chosen.stderr
    assert len(list(hub.sequences)) == 1
    await on_platform("seq", "start", "-")
    assert (await on_platform("inst", "output", "-")).text == "over"
    remembered = (await on_platform("config", "session")).json
    assert (remembered["lastSpaceId"], remembered["lastHubId"]) == ("space", "sth-0")
    assert (await on_platform("hub", "info")).json["id"] == "sth-0"
    assert "404" in (await on_platform("hub", "use", "nobody", code=3)).stderr
    assert "no Space 'nobody'" in (await on_platform("space", "use", "nobody", code=3)).stderr


async def test_store_and_scopes(on_platform, folder):
    stored = (await on_platform("store", "send", folder("def run(context, input): pass\n", "kept"))).json
    items = (await on_platform("store", "ls")).json
    assert [each["name"] for each in items] == ["kept"]
    await on_platform("store", "rm", items[0].get("_filename") or stored["id"])
    assert (await on_platform("store", "ls")).json == []
    await on_platform("hub", "use", "sth-0")
    await on_platform("scope", "save", "mine")
    assert (await on_platform("scope", "print", "mine")).json == {"space": "space", "hub": "sth-0"}
    await on_platform("scope", "use", "mine")
    assert (await on_platform("scope", "ls", "-q")).text == "mine\n"
    await on_platform("scope", "delete", "mine")
    assert "no scope 'mine'" in (await on_platform("scope", "use", "mine", code=3)).stderr


def test_without_a_platform_it_says_what_to_configure(lonely):
    assert "si config set middlewareApiUrl URL" in lonely("space", "ls", code=1).stderr
    assert "si config set middlewareApiUrl URL" in lonely("config", "set", "env", "production", code=1).stderr
