"""What the tests share: a real Hub, plain HTTP calls to it, and Sequences made from a few lines of source."""

import io
import json
import textwrap

import aiohttp
import pytest
from hypothesis import HealthCheck, settings

from transform_hub.hub.server import serve
from transform_hub.package import pack
from until import until, waited_for

settings.register_profile("patient", suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no defect
settings.load_profile("patient")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    report = yield
    if report.failed and (lines := waited_for()):
        report.sections.append(("Waited for", lines))
    return report


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch):
    monkeypatch.setattr("transform_hub.client.transport.PAUSES", (0, 0, 0))


@pytest.fixture
async def hub(tmp_path):
    """A Hub on a free port with its own data directory; ended Instances are kept for a minute."""
    async with serve(port=0, data_dir=tmp_path / "hub", retention_ms=60_000) as running:
        yield running


@pytest.fixture
async def api(hub):
    """Plain HTTP calls to the Hub, without any client of ours."""
    async with aiohttp.ClientSession() as session:
        yield Api(hub, session)


@pytest.fixture
def api_of():
    """Makes what ``api`` is, for another Hub: ``api_of(hub, session)``."""
    return Api


@pytest.fixture
def package(tmp_path_factory):
    """Makes the bytes of a package: ``package("def run(context, input): ...", name="x")``."""

    def make(source="", *, files=None, **fields):
        folder = tmp_path_factory.mktemp("sequence")
        fields = {"name": "test", "version": "1.0.0", "main": "main.py", "engines": {"python3": ">=3.10"}, **fields}
        for name, content in {"main.py": textwrap.dedent(source), **(files or {})}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(content))
        (folder / "package.json").write_text(json.dumps(fields))
        archive = io.BytesIO()
        pack(folder, archive)
        return archive.getvalue()

    return make


class Answer:
    def __init__(self, response, body):
        self.status, self.reason, self.headers, self.body = response.status, response.reason, response.headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode()


class Api:
    """Calls to a Hub; ``start`` and what follows take a Sequence's source."""

    def __init__(self, hub, session):
        self.hub, self.url, self.session = hub, hub.url, session

    async def call(self, method, path, body=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            headers.setdefault("content-type", "application/json")
        async with self.session.request(method, self.url + path, data=body, headers=headers) as response:
            return Answer(response, await response.read())

    async def get(self, path, **headers):
        return await self.call("GET", path, **headers)

    async def post(self, path, body=None, **headers):
        return await self.call("POST", path, body, **headers)

    async def send(self, archive):
        answer = await self.post("/sequence", archive, content_type="application/octet-stream")
        assert answer.status == 200, answer.text
        return answer.json["id"]

    async def start(self, sequence_id, **request):
        """Start an Instance; its path, e.g. /instance/<id>."""
        answer = await self.post(f"/sequence/{sequence_id}/start", request)
        assert answer.status == 200, answer.text
        return f"/instance/{answer.json['id']}"

    async def input(self, instance, data, content_type="text/plain", **headers):
        return await self.post(f"{instance}/input", data, content_type=content_type, **headers)

    async def read(self, path):
        """A whole stream, to its end."""
        answer = await self.get(path)
        assert answer.status == 200, answer.text
        return answer.body

    async def until(self, path, wanted):
        """The JSON at a path as soon as ``wanted`` accepts it."""

        async def accepted():
            answer = (await self.get(path)).json
            return (answer,) if wanted(answer) else ()

        return (await until(accepted))[0]

    async def answers(self, path, status):
        """Wait until a path answers with a status."""

        async def answered():
            return (await self.get(path)).status == status

        await until(answered)

    def instance(self, path):
        """The Hub's own object for an Instance."""
        return self.hub.instances[path.rpartition("/")[2]]

    async def restarted(self, instance, number):
        """The info of an Instance once it runs after so many restarts."""
        return await self.until(instance, lambda info: (info["status"], info.get("restarts", 0)) == ("running", number))

    async def ended(self, instance):
        """The info of an Instance once it has ended."""
        return await self.until(instance, lambda info: info["status"] in ("completed", "errored"))

    async def status(self, instance, wanted):
        """Wait until an Instance has a status."""

        def has_it(info):
            assert info["status"] == wanted or info["status"] not in ("completed", "errored")
            return info["status"] == wanted

        await self.until(instance, has_it)
