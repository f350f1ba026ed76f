"""What the documents show runs as it stands there: the first quick start, the published package's, and ours."""

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from debug_mode import complaints
from transform_hub import HostClient
from transform_hub.hub.server import serve

ROOT = Path(__file__).parent.parent
ECHO = "def run(context, input): return input"

FIRST = """
import asyncio
import json
from client.host_client import HostClient
from client.sequence_client import SequenceClient
from client.instance_client import InstanceClient
from client_utils.client_utils import ClientUtils

token = '<YOUR_TOKEN>'
space_id = '<YOUR_SPACE_ID>'
# middleware url
api_base ='{api_base}' 

ClientUtils.setDefaultHeaders({{'Authorization': f'Bearer {{token}}'}})

async def main():
    host = HostClient(f'{{api_base}}/space/{{space_id}}/api/v1/sth/sth-0/api/v1')

    # send sequence (.tar.gz) and get it's uniqe id
    seq_id = await host.send_sequence('my_cool_sequence.tar.gz')
    seq_id = json.loads(seq_id)

    # pass previous id to Sequence Client and call start
    seq_client = SequenceClient(seq_id['id'], host)
    inst_id = await seq_client.start()
    inst_id = json.loads(inst_id)

    # create an Instance Client and get information about particular Instance
    my_inst_client = InstanceClient(inst_id['id'], host)
    inst_info = await my_inst_client.get_info()
    print(json.dumps(inst_info))

asyncio.run(main())
"""

PUBLISHED = """
import asyncio
from client.host_client import HostClient
from client_utils.base_client import BaseClient

# your middleware token
token = '<YOUR_TOKEN>'

# set the token
BaseClient.setDefaultHeaders({{'Authorization': f'Bearer {{token}}'}})

# middleware url
api_base ='{api_base}' 

# url = {{middlewareURL}}/space/{{manager_id}}/api/v1/sth/{{host_id}}/api/v1
host = HostClient(f'{{api_base}}/space/org-aa5bu150-9o5c-489b-83e3-b1yf7e086f3h-manager/api/v1/sth/sth-0/api/v1')

res = asyncio.run(host.get_version())
print(res['version'])

async def main():
    sequence = await host.send_sequence(await host.load_sequence('my_cool_sequence.tar.gz'))
    instance = await sequence.start()
    print(sequence.id, instance.id)
    assert (await instance.get_info())['status'] == 'running'
    assert (await sequence.get_info())['instances'] == [instance.id]
    assert (await instance.get_health())['healthy'] is True
    await instance.kill()

asyncio.run(main())
assert len(asyncio.run(host.list_sequences())) == 1
"""


async def _run_beside(hub, source, folder):
    """Run a program against a Hub of this process, warnings as errors; its output."""
    (folder / "program.py").write_text(source)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-X", "dev", "-W", "error", "program.py",
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    stdout, stderr = await process.communicate()
    assert (process.returncode, complaints(stderr.decode())) == (0, "")
    return stdout.decode()


@pytest.fixture
async def hub_with_token(tmp_path):
    async with serve(data_dir=tmp_path / "hub", token="<YOUR_TOKEN>") as hub:
        yield hub


@pytest.mark.slow
async def test_the_first_quick_start(hub_with_token, tmp_path, package):
    (tmp_path / "my_cool_sequence.tar.gz").write_bytes(package(ECHO))
    source = FIRST.format(api_base=f"http://127.0.0.1:{hub_with_token.port}")
    info = json.loads(await _run_beside(hub_with_token, source, tmp_path))
    assert info["status"] == "running"
    assert info["id"] in hub_with_token.instances


@pytest.mark.slow
async def test_the_quick_start_of_the_published_package(hub_with_token, tmp_path, package):
    (tmp_path / "my_cool_sequence.tar.gz").write_bytes(package(ECHO))
    source = PUBLISHED.format(api_base=f"http://127.0.0.1:{hub_with_token.port}/api/v1")
    version, ids = (await _run_beside(hub_with_token, source, tmp_path)).splitlines()
    assert version == "1.0.1"
    assert ids.split()[1] in hub_with_token.instances


@pytest.mark.slow
def test_our_quick_start():
    result = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", ROOT / "examples" / "quickstart.py"],
        capture_output=True, text=True, check=False,
        env={name: value for name, value in os.environ.items() if name != "SCRAMJET_HUB_URL"},
    )  # fmt: skip
    assert (result.returncode, complaints(result.stderr)) == (0, "")
    for expected in ("To prove this, let Facts be submitted", "'sentences': 32", "Instance stopped", "Log"):
        assert expected in result.stdout


async def test_the_url_shape_of_the_cloud_reaches_streams_too(hub, api, package):
    instance = await api.start(await api.send(package(ECHO)))
    await api.input(instance, b"x\n")
    url = f"http://127.0.0.1:{hub.port}/api/v1/space/s/api/v1/sth/sth-0/api/v1{instance}/output"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert await response.read() == b"x\n"


def _readme(number):
    """The Python example of that number."""
    return (ROOT / "README.md").read_text().split("```python\n")[number].partition("```")[0]


@pytest.fixture
def shout(tmp_path, monkeypatch):
    """Works in a directory where the README's command has made its Sequence."""
    monkeypatch.chdir(tmp_path)
    (command,) = re.findall(r"^    si (init sequence .*?)  ", (ROOT / "README.md").read_text(), re.MULTILINE)[:1]
    subprocess.run([Path(sys.executable).with_name("si"), *command.split()], check=True, stdout=subprocess.DEVNULL)
    return tmp_path


@pytest.mark.slow
async def test_the_first_example_of_the_readme(hub, shout):
    source = _readme(1).replace("http://127.0.0.1:8000/api/v1", hub.url)
    output = await _run_beside(hub, source, shout)
    assert output == "MAKE ME LOUD\n\nTerminated(exitcode=0, reason='Instance completed')\n"


@pytest.mark.usefixtures("shout")
async def test_the_example_of_run_in_the_readme(hub, capsys):
    async with HostClient(hub.url) as host:
        body = "".join(f"    {line}\n" for line in _readme(2).splitlines())
        program = {"host": host}
        exec(f"async def main():\n{body}", program)
        await program["main"]()
    assert capsys.readouterr().out == "0 b'MAKE ME LOUD\\n'\n"
    assert not hub.instances
    assert not list(hub.sequences)


@pytest.mark.slow
async def test_the_example_without_await_in_the_readme(hub, shout, monkeypatch):
    monkeypatch.setenv("SCRAMJET_HUB_URL", hub.url)
    assert await _run_beside(hub, _readme(3), shout) == "MAKE ME LOUD\n\n"
