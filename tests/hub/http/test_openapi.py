"""The OpenAPI document is right, says all there is, and the Hub does what it says."""

import itertools
import json
import re
import urllib.request

import aiohttp
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from transform_hub.hub.http.app import ROUTES, make_app
from transform_hub.hub.http.openapi import document
from transform_hub.hub.http.routes.host import STH_VERSION
from transform_hub.testing import local_hub

STAYS = "import asyncio\nasync def run(context, input): await asyncio.Event().wait()"

DOCUMENT = document(make_app(None), version="0")
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS = {found.ok().label: found.ok() for found in SCHEMA.get_all_operations()}
ENDLESS = {name for name, each in OPERATIONS.items() if each.definition.raw.get("x-endless")}
WITH_JSON = {
    name
    for name, each in OPERATIONS.items()
    if "application/json" in each.definition.raw.get("requestBody", {}).get("content", {})
}

KNOWN = {
    r"/instance/": ("id", "i" * 36),
    r"/input": ("id", "n" * 36),
    r"_kill": ("id", "k" * 36),
    r"_stop": ("id", "s" * 36),
    r"/sequence/": ("id", "stays"),
    r"DELETE .*/sequence/": ("id", "doomed"),
    r"/topic/": ("name", "names"),
}
"""What is there, by the operations that are called with it every other time; the last that fits counts."""

REFUSED = {
    "POST /api/v1/sequence": "packages are no matter of a schema",
    "PUT /api/v1/sequence/{id}": "nor are they here",
    "DELETE /api/v1/topics/{name}": "no topic has such a name",
}
"""Operations that never succeed with what a schema can say."""

EXCLUDED = [
    checks.unsupported_method,  # what a path does not have is 404, as in STH
    checks.positive_data_acceptance,  # ids are those of what exists
    checks.negative_data_rejection,  # STH takes more than is documented: no body, unknown keys
]


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A Hub with Sequences and Instances."""
    with local_hub(retention_ms=600_000) as running:
        for name, instances in (("stays", "inks"), ("doomed", "")):
            folder = tmp_path_factory.mktemp(name)
            fields = {"name": name, "main": "main.py", "engines": {"python3": ">=3.10"}}
            (folder / "package.json").write_text(json.dumps(fields))
            (folder / "main.py").write_text(STAYS)
            sequence = running.send(folder)
            for letter in instances:
                running.start(sequence, instance_id=letter * 36)
        running.client.create_topic("names", "text/plain")
        yield running


def calls(operation, hub, mode):
    """The statuses of answers to requests that schemathesis makes; it has checked them."""
    known = [parameter for pattern, parameter in KNOWN.items() if re.search(pattern, operation.label)]
    turns = itertools.count()
    seen = set()

    @settings(
        max_examples=15, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(operation.as_strategy(generation_mode=mode))
    def call(case):
        if known and next(turns) % 2 == 0:
            name, value = known[-1]
            case.path_parameters[name] = value
        answer = case.call_and_validate(hub.url.removesuffix("/api/v1"), excluded_checks=EXCLUDED, timeout=20)
        seen.add(answer.status_code)

    call()
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - ENDLESS))
def test_the_hub_does_what_the_document_says(name, hub):
    seen = calls(OPERATIONS[name], hub, GenerationMode.POSITIVE)
    succeeds = any(status.startswith("2") for status in OPERATIONS[name].definition.raw["responses"])
    assert bool(seen & {200, 202}) == (succeeds and name not in REFUSED)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(WITH_JSON))
def test_bodies_that_are_not_as_documented_are_answered_as_documented(name, hub):
    assert calls(OPERATIONS[name], hub, GenerationMode.NEGATIVE) & {400, 404}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(name for name in ENDLESS if name.startswith("GET ")))
async def test_streams_begin_as_documented(name, hub):
    path = OPERATIONS[name].path.format(id="i" * 36, stream="output", name="names")
    headers = {"content-type": "text/plain"}
    url = hub.url.removesuffix("/api/v1") + path
    async with aiohttp.ClientSession() as session, session.head(url, headers=headers) as answer:
        documented = OPERATIONS[name].definition.raw["responses"][str(answer.status)]
        assert answer.status == 200
        assert answer.content_type in documented["content"]


def test_the_document_is_valid_and_what_the_hub_serves(hub):
    with urllib.request.urlopen(f"{hub.url}/openapi.json") as answer:
        served = json.load(answer)
    OpenAPIV31SpecValidator(served).validate()
    assert served["info"].pop("version") == STH_VERSION
    assert served == {**DOCUMENT, "info": {name: DOCUMENT["info"][name] for name in served["info"]}}


def test_every_route_is_documented():
    for route in ROUTES:
        assert route.text[0], route.name
    paths = {re.sub(r"{(\w+):[^}]*}", r"{\1}", path.partition(" ")[2]) for route in ROUTES for path in route.paths}
    assert paths == DOCUMENT["paths"].keys()


def test_names_of_operations_are_unique_and_types_have_descriptions():
    ids = [each.definition.raw["operationId"] for each in OPERATIONS.values()]
    assert len(ids) == len(set(ids)) > 40
    for name, schema in DOCUMENT["components"]["schemas"].items():
        assert schema["description"], name
        assert "``" not in schema["description"], name
