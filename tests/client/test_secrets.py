"""Environment variables and secrets by the clients."""

import json

import pytest

from transform_hub import HostClient
from transform_hub.errors import BadRequestError
from transform_hub.hub.server import serve
from transform_hub.models import SecretFile
from transform_hub.sync import HostClient as SyncHostClient
from transform_hub.testing import local_hub

TELLS = """
import json, os
async def run(context, input):
    yield json.dumps([os.environ.get("WORD"), dict(context.secrets)]) + "\\n"
    async for _ in input: pass
"""
GIVEN = {"env": {"WORD": "word"}, "secrets": {"KEY": "hunter2"}}


@pytest.fixture
async def host(hub):
    async with HostClient(hub.url) as client:
        yield client


async def told(instance):
    async with instance.get_output() as output:
        return json.loads(await anext(output.lines()))


async def test_start(host, package):
    sequence = await host.send_sequence(package(TELLS))
    instance = await sequence.start(**GIVEN)
    assert await told(instance) == ["word", {"KEY": "hunter2"}]
    info = await instance.get_info()
    assert (info.env, info.secrets) == (["WORD"], ["KEY"])
    assert "hunter2" not in repr(info)
    plain = await (await sequence.start()).get_info()
    assert (plain.env, plain.secrets) == (None, None)


async def test_run(host, package):
    done = await host.run(package(TELLS), **GIVEN)
    assert json.loads(done.output) == ["word", {"KEY": "hunter2"}]
    assert "hunter2" not in repr(done)


async def test_a_file_of_the_hub(tmp_path, package):
    (tmp_path / "vault").mkdir(0o700)
    (tmp_path / "vault" / "db").write_text("from a file\n")
    settings = {"data_dir": tmp_path / "hub", "secrets_dir": tmp_path / "vault"}
    async with serve(**settings) as hub, HostClient(hub.url) as host:
        for given in ({"file": "db"}, SecretFile(file="db")):
            done = await host.run(package(TELLS), secrets={"DB": given})
            assert json.loads(done.output) == [None, {"DB": "from a file"}]


def test_sync(package):
    with local_hub() as hub, SyncHostClient(hub.url) as host:
        assert json.loads(host.run(package(TELLS), **GIVEN).output) == ["word", {"KEY": "hunter2"}]
        instance = host.send_sequence(package(TELLS)).start(**GIVEN)
        assert instance.restart(**GIVEN).get_info().secrets == ["KEY"]


async def test_a_restart_asks_for_what_the_hub_does_not_tell(host, package):
    instance = await (await host.send_sequence(package(TELLS))).start(**GIVEN)
    for given, what in (({}, "env .* WORD"), ({"env": {"WORD": "x"}}, "secrets .* KEY")):
        with pytest.raises(ValueError, match=rf"Instance .* has {what} again"):
            await instance.restart(**given)
    assert (await instance.get_info()).status == "running"
    again = await instance.restart(env={"WORD": "another"}, secrets={"KEY": "one", "MORE": "two"})
    assert again == instance
    assert await told(again) == ["another", {"KEY": "one", "MORE": "two"}]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"env": {"K": 5}}, "env: Expected `str`, got `int`"),
        ({"secrets": {"K": b"hunter2"}}, "secrets: Expected `str"),
        ({"secrets": {"K": {"path": "hunter2"}}}, "secrets: Object "),
        ({"secrets": "hunter2"}, "secrets must be a dict, not str"),
        ({"env": ["WORD=hunter2"]}, "env must be a dict, not list"),
    ],
)
async def test_what_can_not_be_sent_is_a_type_error_without_it(given, says, host, package):
    sequence = await host.send_sequence(package(TELLS))
    with pytest.raises(TypeError, match=says) as caught:
        await sequence.start(**given)
    assert "hunter2" not in str(caught.value)


async def test_text_that_is_none_is_a_value_error_without_it(host, package):
    sequence = await host.send_sequence(package(TELLS))
    for given in ({"env": {"K": "hunter2\udc80"}}, {"secrets": {"K": "hunter2\udc80"}}):
        with pytest.raises(ValueError, match="'K' is not text in UTF-8") as caught:
            await sequence.start(**given)
        assert not isinstance(caught.value, UnicodeError)  # which would have it
        assert "hunter2" not in str(caught.value)


async def test_what_the_hub_refuses(host, package):
    sequence = await host.send_sequence(package(TELLS))
    with pytest.raises(BadRequestError, match="PYTHONPATH is read when a process starts"):
        await sequence.start(env={"PYTHONPATH": "/hunter2"})
