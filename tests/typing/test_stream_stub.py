"""The types of ``Stream`` are written by hand: they name what the runner's operators are, and their parameters."""

import ast
import inspect
from pathlib import Path

import pytest

from transform_hub.runner import stream

STUB = ast.parse(Path(stream.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
CLASS = next(node for node in STUB.body if isinstance(node, ast.ClassDef) and node.name == "Stream")
METHODS = [node for node in CLASS.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def parameters(node):
    """Name of each, and whether it has a default."""
    _, *positional = node.args.args
    optional = [False] * (len(positional) - len(node.args.defaults)) + [True] * len(node.args.defaults)
    yield from zip((each.arg for each in positional), optional, strict=True)
    yield from (
        (each.arg, default is not None)
        for each, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    )


def test_all_that_a_stream_can_do_has_types():
    public = {name for name, value in vars(stream.Stream).items() if not name.startswith("_") and callable(value)}
    public |= {name for name in vars(stream.Stream) if name in {"read_from", "from_iterable", "from_callback"}}
    assert {node.name for node in METHODS if not node.name.startswith("_")} == public


@pytest.mark.parametrize("node", METHODS, ids=lambda node: f"{node.name}:{node.lineno}")
def test_parameters_are_those_of_the_operator(node):
    function = getattr(stream.Stream, node.name)
    real = inspect.signature(function).parameters
    for name, is_optional in parameters(node):
        assert name in real, f"{node.name} has no parameter {name}"
        assert not is_optional or real[name].default is not inspect.Parameter.empty, name
    is_variadic = any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in real.values())
    assert is_variadic or node.args.vararg is None, f"{node.name} takes no further arguments"
    awaited = isinstance(node, ast.AsyncFunctionDef)
    assert inspect.iscoroutinefunction(function) == awaited, f"{node.name} is async, or is not"
