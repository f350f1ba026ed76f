"""Packing with dependencies: ``si sequence pack``."""

import io
import json
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest

pytestmark = pytest.mark.slow

USES_DEP = "import greeting\ndef run(context, input):\n    return greeting.WORD\n"


@pytest.fixture
def wheels(tmp_path):
    """A folder with one wheel, so that nothing is asked of an index."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    with zipfile.ZipFile(folder / "greeting-1.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr("greeting.py", "WORD = 'hello'\n")
        wheel.writestr("greeting-1.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: greeting\nVersion: 1.2\n")
        wheel.writestr("greeting-1.2.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("greeting-1.2.dist-info/RECORD", "")
    return folder


def names(archive):
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        return tar.getnames()


def tree(folder):
    return sorted((str(path), path.stat().st_mtime_ns) for path in folder.rglob("*"))


def test_requirements_go_into_the_package_and_the_folder_stays_as_it_is(si, folder, wheels, tmp_path):
    source = folder(
        USES_DEP, "with-deps", files={
            "requirements.txt": f"--no-index\n--find-links {wheels}\ngreeting\n",
            ".siignore": "__pypackages__\nnotes.txt\n", "notes.txt": "",
        },
    )  # fmt: skip
    before = tree(source)
    packed = si("seq", "pack", source).json
    assert packed["path"] == str(tmp_path / "with-deps.tar.gz")
    assert packed["dependencies"] == ["greeting 1.2"]
    assert "__pypackages__/greeting.py" in packed["files"]
    assert "notes.txt" not in packed["files"]
    assert tree(source) == before
    assert si("run", tmp_path / "with-deps.tar.gz").text == "hello"
    plain = si("seq", "pack", source, "--no-deps", "-c")
    assert not any("greeting" in name for name in names(plain.stdout))
    assert "stdout: 4 files" in plain.stderr


def test_dependencies_of_a_pyproject_are_packed(si, folder, wheels):
    project = "\ufeff[project]\nname = 'x'\nversion = '1'\ndependencies = ['greeting>=1']\n"
    source = folder(USES_DEP, files={"pyproject.toml": project})
    env = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "UV_NO_INDEX": "1", "UV_FIND_LINKS": str(wheels)}
    shown = si("seq", "pack", source, "--format", "pretty", **env).text
    assert "greeting 1.2" in shown
    assert "__pypackages__/greeting.py" in shown


def test_what_can_not_be_installed_is_told_and_leaves_nothing(si, folder, tmp_path):
    source = folder(USES_DEP, files={"requirements.txt": "--no-index\nno-such-package-anywhere\n"})
    assert "no-such-package-anywhere" in si("seq", "pack", source, code=1).stderr
    assert not (tmp_path / "test.tar.gz").exists()


def test_vendored_dependencies_are_packed_as_they_are(si, folder):
    source = folder(USES_DEP, files={"requirements.txt": "greeting\n", "__pypackages__/greeting.py": "WORD = 'own'\n"})
    assert "__pypackages__/greeting.py" in si("seq", "pack", source).json["files"]


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_npm_installs_what_a_javascript_sequence_depends_on(si, folder, tmp_path):
    module = tmp_path / "module"
    module.mkdir()
    (module / "package.json").write_text('{"name": "greeting", "version": "3.0.0", "main": "index.js"}')
    (module / "index.js").write_text("module.exports = 'hello'\n")
    subprocess.run(["npm", "pack", "--silent"], cwd=module, check=True, capture_output=True, timeout=50)
    source = folder(
        "", "js", main="index.js", engines={"node": ">=16"},
        files={"index.js": "module.exports = () => require('greeting')\n"},
        dependencies={"greeting": f"file:{module / 'greeting-3.0.0.tgz'}"},
    )  # fmt: skip
    (source / "package-lock.json").unlink(missing_ok=True)
    before = tree(source)
    packed = si("seq", "pack", source, npm_config_offline="true").json
    assert packed["dependencies"] == ["greeting 3.0.0"]
    assert "node_modules/greeting/index.js" in packed["files"]
    assert tree(source) == before
    assert json.loads((source / "package.json").read_text())["main"] == "index.js"


@pytest.mark.parametrize("options", [(), ("--python", "3.7")])
def test_dependencies_for_a_python_that_the_sequence_does_not_run_on_are_refused(si, tmp_path, options):
    (tmp_path / "package.json").write_text(
        json.dumps({"name": "a", "version": "1.0.0", "main": "main.py", "engines": {"python3": ">=3.99"}})
    )
    (tmp_path / "main.py").write_text("def run(context, input): pass\n")
    (tmp_path / "requirements.txt").write_text("no-such-package\n")
    done = si("seq", "pack", tmp_path, *options, code=1)
    version = options[1] if options else ".".join(map(str, sys.version_info[:2]))
    assert f"would be for Python {version}, but package.json says that the Sequence runs on >=3.99" in done.stderr
    assert "--python" in done.stderr
