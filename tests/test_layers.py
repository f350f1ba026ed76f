"""Who may import whom, and which names are public."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

import transform_hub

SOURCE = Path(transform_hub.__file__).parent

BASE = {"errors", "protocol", "privacy", "messages", "models", "served"}
ALLOWED = {  # nobody but its own entry imports the command lines
    **{name: set() for name in BASE},
    "served": {"models"},
    "package": BASE,
    "profile": BASE,
    "client": {*BASE, "package", "profile"},
    "sync": {*BASE, "client"},
    "hub": {*BASE, "package"},
    "runner": {"protocol", "privacy", "messages"},
    "testing": {*BASE, "client", "sync", "hub", "runner"},
    "cli": {*BASE, "package", "profile", "client", "sync", "hub"},
    "__main__": {"cli"},
}
LAZY = {
    # `context.hub` is the client; a runner without it must not load it, see the last test of this file.
    "runner/apart.py": {"transform_hub.client.host"},
    "runner/context.py": {"transform_hub.client.host"},
}


def layer(module):
    return module.split(".")[1] if "." in module else ""


def imports(tree, known=()):
    """The modules of ours that some code imports, wherever in it; of ``known`` ones also those named after `import`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.startswith("transform_hub"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("transform_hub"):
            if node.module == "transform_hub":
                yield from (f"transform_hub.{name.name}" for name in node.names)
            else:
                submodules = [each for name in node.names if (each := f"{node.module}.{name.name}") in known]
                yield from submodules or [node.module]
            assert node.level == 0


def modules():
    of_users = SOURCE / "cli" / "templates"
    return [
        path for path in sorted(SOURCE.rglob("*.py")) if path != SOURCE / "__init__.py" and of_users not in path.parents
    ]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_layer_imports_only_those_below(path):
    own = layer("transform_hub." + path.relative_to(SOURCE).parts[0].removesuffix(".py"))
    lazy = LAZY.get(path.relative_to(SOURCE).as_posix(), set())
    for module in set(imports(ast.parse(path.read_text()))) - lazy:
        assert layer(module) in ALLOWED[own] | {own}, f"{own} must not import {module}"


def test_there_is_no_circle_in_the_hub():
    """Imports for type checkers and those in functions count too."""
    paths = {name_of(path): path for path in (SOURCE / "hub").rglob("*.py")}
    graph = {
        name: set(imports(ast.parse(path.read_text()), paths)) & paths.keys() - {name} for name, path in paths.items()
    }
    circle = []
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        circle = error.args[1][::-1]
    assert not circle, "\n  which imports ".join(circle)


def name_of(path):
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def test_the_import_paths_of_the_published_package_hold_no_code():
    for name in ("client", "client_utils", "manager_client", "multi_manager_client", "middleware_client"):
        for path in (SOURCE.parent / name).glob("*.py"):
            for node in ast.parse(path.read_text()).body:
                assert isinstance(node, (ast.Expr, ast.Import, ast.ImportFrom, ast.Assign)), path


def test_public_names():
    assert transform_hub.__all__ == [
        "CompletedInstance", "Context", "DropChunk", "Follower", "Gap", "HostClient", "Hub", "HubError", "Input",
        "InstanceClient", "ManagerClient", "MiddlewareClient", "MultiManagerClient", "Reader", "SequenceClient",
        "Stream", "TLS", "TopicClient", "Writer", "pack", "serve",
    ]  # fmt: skip
    for name in transform_hub.__all__:
        assert getattr(transform_hub, name).__name__ == name
    with pytest.raises(AttributeError):
        _ = transform_hub.nothing


def test_a_runner_brings_no_packages_that_a_sequence_may_want_itself():
    code = "import sys, transform_hub.runner.zygote; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"aiohttp", "msgspec", "typer", "rich", "psutil", "uvloop"} & set(loaded)
