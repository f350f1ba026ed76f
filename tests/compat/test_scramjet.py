"""`input` has every method of scramjet's streams, with the results of npm's `scramjet` itself: both run here."""

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import transform_hub.runner

NODE = Path(transform_hub.runner.__file__).with_name("node")
VENDOR = NODE / "vendor"

CHAINS = Path(__file__).with_name("chains.js")
NAMES = re.findall(r'^  "?(.+?)"?: (?:\(input\)|input) =>', CHAINS.read_text(), re.MULTILINE)


def node(*args):
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    return subprocess.run(["node", *map(str, args)], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def of_the_library():
    """What each chain gives on a DataStream of the library itself."""
    return json.loads(node(CHAINS, VENDOR / "node_modules" / "scramjet"))


def test_all_chains_are_found(of_the_library):
    assert list(of_the_library) == NAMES
    assert "late" not in of_the_library.values()


@pytest.mark.parametrize("name", NAMES)
async def test_a_method(name, js, of_the_library):
    output, info = await js(CHAINS.read_text(), b"1\n2\n3\n4\n5\n6\n", "application/x-ndjson", args=[name])
    assert output.decode() == of_the_library[name]
    assert info["status"] == "completed"


async def test_a_stream_that_the_sequence_ends(js):
    source = "module.exports = (input) => { input.write(9); input.end(); return input }"
    assert (await js(source, b"1\n", "application/x-ndjson"))[0].splitlines()[0] == b"9"


def test_no_method_of_the_library_is_missing():
    missing = node(
        "-e",
        """
        const { DataStream } = require(process.argv[1]);
        import(process.argv[2]).then(({ SequenceStream }) => {
            const missing = [];
            for (let type = DataStream.prototype; type !== Object.prototype; type = Object.getPrototypeOf(type)) {
                for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(type))) {
                    if (typeof value === "function" && !name.startsWith("_") && !(name in SequenceStream.prototype)) {
                        missing.push(name);
                    }
                }
            }
            console.log(missing.join());
        });""",
        VENDOR / "node_modules" / "scramjet",
        NODE / "stream.mjs",
    )
    assert missing.strip() == ""


async def test_the_library_is_loaded_when_it_is_needed(js):
    source = """
        module.exports = (input) => {
            const isLoaded = () => Object.keys(require.cache).some((file) => file.includes("vendor"));
            const loaded = [isLoaded()];
            input.map((x) => x).lines();
            loaded.push(isLoaded());
            input.tap();
            return JSON.stringify([...loaded, isLoaded()]);
        }"""
    output, _ = await js(source, b"x")
    assert json.loads(output) == [False, False, True]


def test_what_is_shipped_is_what_was_recorded():
    recorded = dict(reversed(line.split("  ")) for line in (VENDOR / "SHA256SUMS").read_text().splitlines())
    files = {path for path in VENDOR.rglob("*") if path.is_file() and path.name != "SHA256SUMS"}
    assert recorded == {str(p.relative_to(VENDOR)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_each_package_that_is_shipped_has_its_licence():
    packages = list((VENDOR / "node_modules").glob("*/package.json"))
    assert {json.loads(manifest.read_text())["license"] for manifest in packages} <= {"MIT", "ISC"}
    assert all((manifest.parent / "LICENSE").exists() for manifest in packages)
