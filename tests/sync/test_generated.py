"""The sync clients are what the generator makes of the async ones, and have all that those have."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

import transform_hub.client
import transform_hub.sync
from transform_hub.sync.mirror import _CLASSES

TOOLS = Path(__file__).parents[2] / "tools"
SHARED = {"CompletedInstance", "Gap", "TLS"}  # are the same in both


@pytest.fixture
def make_sync(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    return importlib.import_module("make_sync")


def normal(source):
    """The code whatever its format and the order of its imports."""
    tree = ast.parse(source)
    imported, rest = set(), []
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            imported |= {(getattr(node, "module", None), alias.name, alias.asname) for alias in node.names}
        elif isinstance(node, ast.If):
            imported |= {(each.module, alias.name, alias.asname) for each in node.body for alias in each.names}
        else:
            rest.append(ast.dump(node))
    return imported, rest


def test_the_modules_are_those_that_the_generator_makes(make_sync):
    for path, source in make_sync.sources().items():
        assert path.exists(), "run `make sync`"
        assert normal(path.read_text()) == normal(source), f"{path} is not up to date: run `make sync`"


def test_no_other_modules_are_there(make_sync):
    by_hand = {"__init__", "handover", "mirror", "pages", "portal"}
    folder = Path(transform_hub.sync.__file__).parent
    assert {path.stem for path in folder.glob("*.py")} - by_hand == {path.stem for path in make_sync.sources()}


def test_the_same_names_are_exported():
    assert set(transform_hub.client.__all__) == set(transform_hub.sync.__all__)
    for name in transform_hub.sync.__all__:
        ours, theirs = getattr(transform_hub.sync, name), getattr(transform_hub.client, name)
        assert ours is theirs if name in SHARED else _CLASSES[theirs] is ours


def public(cls):
    return {
        name: member
        for name, member in inspect.getmembers(cls)
        if not name.startswith("_") and (inspect.isfunction(member) or inspect.ismethod(member))
    }


@pytest.mark.parametrize("theirs", _CLASSES, ids=lambda cls: cls.__name__)
def test_each_method_has_the_same_arguments(theirs):
    ours = public(_CLASSES[theirs])
    for name, method in public(theirs).items():
        if "Transport" in str(inspect.signature(method)):
            continue  # for other clients of ours only
        assert inspect.signature(ours[name]).parameters == inspect.signature(method).parameters, name
    assert set(ours) - set(public(theirs)) <= {"open"}
