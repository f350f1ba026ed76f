"""The examples of docs/managers.md are run against a platform with a real Hub behind it."""

import ast
import re
from pathlib import Path

import pytest
from recorded_manager import Hub
from recorded_platform import TOKEN

from transform_hub import ManagerClient, MiddlewareClient, MultiManagerClient

DOCUMENT = (Path(__file__).parents[2] / "docs" / "managers.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
ENDLESS = re.compile(r"\.get_log\(|topic\.get\(")
CLIENTS = {"platform": MiddlewareClient, "manager": ManagerClient, "multi_manager": MultiManagerClient}


@pytest.mark.parametrize("example", [each for each in EXAMPLES if not ENDLESS.search(each)])
async def test_an_example_runs(platform, hub, package, tmp_path, monkeypatch, example):
    (tmp_path / "my-sequence").mkdir()
    (tmp_path / "my-sequence" / "package.json").write_text(
        '{"name": "x", "main": "main.py", "engines": {"python3": "*"}}'
    )
    (tmp_path / "my-sequence" / "main.py").write_text("def run(context, input): return input")
    monkeypatch.chdir(tmp_path)
    platform.manager("space").hubs["my-hub"] = Hub(hub.url, access_key="k")
    urls = {"https://api.scramjet.cloud/api/v1": platform.url, "http://127.0.0.1:11000/api/v1": platform.multi_url}
    for written, real in urls.items():
        example = example.replace(written, real)
    # The Hubs of these tests have no Manager of their own to get a Sequence from.
    example = re.sub(r"^await manager\.host\(\"sth-0\"\).*\n", "", example, flags=re.MULTILINE)
    example = example.replace('await manager.delete_hub("my-hub")  ', "pass  ")  # the next line does it
    async with MiddlewareClient(platform.url, token=TOKEN) as client:
        names = {
            "platform": client, "manager": client.manager("space"), "token": TOKEN,
            "MiddlewareClient": MiddlewareClient, "MultiManagerClient": MultiManagerClient,
        }  # fmt: skip
        code = compile(example, "docs/managers.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        await eval(code, names)


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_methods_of_an_example_exist(example):
    compile(example, "docs/managers.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    for name, method in re.findall(r"\b(platform|manager|multi_manager)\.(\w+)\(", example):
        assert callable(getattr(CLIENTS[name], method))


def test_names_of_the_javascript_clients_lead_to_methods():
    table = DOCUMENT.partition("## Names")[2]
    names = re.findall(r"`(\w+_\w+|host|manager)`", table.partition("Code for the published")[0])
    assert names
    for name in names:
        assert any(hasattr(client, name) for client in CLIENTS.values()), name


def test_examples_are_found():
    assert len(EXAMPLES) > 6
