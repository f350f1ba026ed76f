"""docs/client.md names everything that a client can do."""

import inspect
import re
from pathlib import Path

import pytest

from transform_hub import client, errors

PAGE = (Path(__file__).parents[2] / "docs" / "client.md").read_text()


@pytest.mark.parametrize("kind", [client.HostClient, client.SequenceClient, client.InstanceClient, client.TopicClient])
def test_each_method_is_named(kind):
    methods = {name for name, _ in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{kind.__name__}` |"))
    missing = {name for name in methods if not re.search(rf"`{name}[`(]", row)}
    assert missing - {"close"} == set()


LOCAL = {"close", "over", "from_env", "sequence", "instance", "topic"}
"""Methods that ask nothing of the Hub."""


@pytest.mark.parametrize("kind", [client.HostClient, client.SequenceClient, client.InstanceClient, client.TopicClient])
def test_each_docstring_tells_arguments_result_and_route(kind):
    for name, method in inspect.getmembers(kind, inspect.isfunction):
        if name.startswith("_"):
            continue
        doc, signature = inspect.getdoc(method), inspect.signature(method)
        assert re.search(r"``(GET|POST|PUT|DELETE) /", doc) or name in LOCAL, name
        if "see :meth:" in doc.splitlines()[0]:
            continue
        for argument in [*signature.parameters][1:]:
            assert re.search(rf"^    (\w+, )*{argument}(, \w+)*: ", doc, re.MULTILINE), (name, argument)
        assert signature.return_annotation == "None" or "Returns:" in doc, name


def test_each_error_that_is_named_is_one():
    table = PAGE.partition("## Errors")[2].partition("## ")[0]
    names = re.findall(r"`(\w+Error)`", table)
    assert names
    for name in names:
        assert name in {"ConnectionError", "TimeoutError"} or issubclass(getattr(errors, name), errors.HubError)
