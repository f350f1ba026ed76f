"""Engines: ranges of versions, and Sequences whose engine a Hub does not have."""

import platform

import pytest

from transform_hub.hub.errors import ApiError
from transform_hub.hub.sequences.engines import engine_of
from transform_hub.models import SequenceConfig
from transform_hub.package.version_range import is_in_range


@pytest.mark.parametrize(
    ("wanted", "those_in", "those_out"),
    [
        ("3.9.0", ["3.9.0", "3.11.7", "4.0.0"], ["3.8.18"]),
        ("3", ["3.0.0", "3.13.1"], ["2.7.18"]),
        ("v16.15", ["16.15.0", "20.1.1"], ["16.14.9"]),
        ("3.9.0-rc1", ["3.9.0", "3.10.0"], ["3.8.9"]),
        ("3.x", ["3.0.0", "3.13.0"], ["4.0.0", "2.7.0"]),
        ("16.15.X", ["16.15.9"], ["16.16.0", "16.14.0"]),
        ("*", ["0.0.1", "20.1.1"], []),
        ("", ["20.1.1"], []),
        (">=16", ["16.0.0", "22.1.0"], ["15.9.9"]),
        (">= 3.8", ["3.8.0"], ["3.7.9"]),
        (">=3.8 <4", ["3.8.0", "3.99.0"], ["4.0.0", "3.7.0"]),
        (">=3.8,<3.12", ["3.11.9"], ["3.12.0"]),
        (">=3.8, <3.12, !=3.9.*", ["3.8.1", "3.10.0"], ["3.9.5", "3.12.0"]),
        (">3.8", ["3.9.0"], ["3.8.9"]),
        ("<=3.8", ["3.8.9"], ["3.9.0"]),
        ("=20.1.1", ["20.1.1"], ["20.1.2"]),
        ("==3.11", ["3.11.7"], ["3.12.0", "3.10.0"]),
        ("==3.11.*", ["3.11.7"], ["3.12.0"]),
        ("~=3.9", ["3.9.0", "3.13.0"], ["4.0.0", "3.8.0"]),
        ("~=3.9.2", ["3.9.5"], ["3.10.0", "3.9.1"]),
        ("^16.2", ["16.2.0", "16.99.0"], ["17.0.0", "16.1.0"]),
        ("^0.2.3", ["0.2.9"], ["0.3.0", "0.2.2"]),
        ("~16.2.1", ["16.2.9"], ["16.3.0", "16.2.0"]),
        ("~16", ["16.9.0"], ["17.0.0"]),
        ("16 || >=18", ["16.1.0", "19.0.0", "17.0.0"], ["15.0.0"]),
        ("16.x || 18.x", ["16.1.0", "18.1.0"], ["17.0.0", "19.0.0"]),
        ("3.8 - 3.11", ["3.8.0", "3.11.9"], ["3.12.0", "3.7.0"]),
    ],
)
def test_ranges(wanted, those_in, those_out):
    assert [version for version in (*those_in, *those_out) if is_in_range(version, wanted)] == those_in


@pytest.mark.parametrize("wanted", ["lts/*", "newest", "=>3", ">", ">=3.8 or so", "20.1.1 || three", "3.9;"])
def test_what_is_no_range(wanted):
    with pytest.raises(ValueError, match=r".*"):
        is_in_range("20.1.1", wanted)


@pytest.mark.parametrize(
    ("config", "engine"),
    [
        ({"engines": {"python3": "3"}, "language": "py"}, "python3"),
        ({"engines": {"node": ">=16"}, "language": "js"}, "node"),
        ({"language": "py"}, "python3"),
        ({"language": "mjs"}, "node"),
        ({"language": "unknown"}, "node"),
        ({"engines": {"npm": ">=8"}, "language": "js"}, "node"),
    ],
)
def test_which_engine_it_is(config, engine):
    assert engine_of(SequenceConfig(**config)) == engine


@pytest.mark.parametrize("config", [{"engines": {"deno": "1"}, "language": "js"}, {"language": "ts"}])
def test_an_engine_that_nobody_has(config):
    with pytest.raises(ApiError) as caught:
        engine_of(SequenceConfig(**config, entrypoint_path="main.ts"))
    assert caught.value.status == 400


JS = {"index.js": "module.exports = input => input;"}
HERE = platform.python_version()


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        (
            {"engines": {"python3": ">=3.10", "node": ">=16"}},
            "Incorrect config passed to SequenceConfig,'engines' field can't contain more than one element",
        ),
        ({"engines": {"python3": "<3"}}, f"This Sequence needs Python <3; this Hub has {HERE}"),
        ({"engines": {"python3": "soon"}}, "engines.python3 of this Sequence is no range of versions: 'soon'"),
        ({"engines": {"deno": "1"}}, "This Sequence needs 'deno'; Hubs run python3 and node Sequences"),
    ],
)
async def test_a_start_that_the_engines_forbid(fields, error, api, package):
    sequence_id = await api.send(package("def run(context, input): return input", **fields))
    answer = await api.post(f"/sequence/{sequence_id}/start", {})
    assert (answer.status, answer.json) == (400, {"error": error})
    assert (await api.get("/instances")).json == []


async def test_without_node_a_start_says_what_to_install(api, package, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    sequence_id = await api.send(package(files=JS, main="index.js", engines={}))
    answer = await api.post(f"/sequence/{sequence_id}/start", {})
    assert answer.status == 400
    assert "Node.js, which this Hub does not have: install Node.js 18 or later" in answer.json["error"]


@pytest.mark.parametrize("engines", [{}, {"python3": "3.8.0"}, {"python3": "3"}, {"npm": ">=8"}])
async def test_what_python_runs(engines, api, package):
    sequence_id = await api.send(package("async def run(context, input): yield 'done'", engines=engines))
    instance = await api.start(sequence_id)
    assert await api.read(f"{instance}/output") == b"done"


@pytest.mark.parametrize(
    ("main", "engines", "status"),
    [
        ("index", {"node": ">=16"}, 200),
        ("index.js", {}, 200),
        ("./index.js", {}, 200),
        ("other", {"node": ">=16"}, 422),
        ("main", {"python3": "3"}, 422),
        ("./main.py", {"python3": "3"}, 200),
        ("other.py", {}, 422),
    ],
)
async def test_main_is_looked_for_when_a_package_is_sent(main, engines, status, api):
    import io
    import json
    import tarfile

    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        files = {"package.json": json.dumps({"main": main, "engines": engines}), "main.py": "", "index.js": ""}
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content.encode()))
    answer = await api.post("/sequence", archive.getvalue(), content_type="application/octet-stream")
    assert answer.status == status
    assert status == 200 or f"entrypoint path {main} is invalid" in answer.json["error"]
