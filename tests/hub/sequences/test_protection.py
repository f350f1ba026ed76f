"""Packages on the Hub's disk are read-only, but for Python's byte code."""

import os
import shutil
import stat
import subprocess
import sys

import aiohttp
import pytest

from sth_process import Sth
from transform_hub.hub.sequences.protection import move, protect, remove_tree
from transform_hub.hub.server import serve

WRITES = """
import json, pathlib
import helper
async def run(context, input):
    here, refused = pathlib.Path(__file__).parent, []
    for change in (
        lambda: (here / "new").touch(), lambda: (here / "helper.py").write_text(""), lambda: open("new", "w"),
        lambda: (here / "main.py").unlink(), lambda: (here / "lib/x").touch(), lambda: (here / "lib").rename("other"),
    ):
        try:
            change()
        except PermissionError:
            refused.append(True)
    yield json.dumps(refused)
"""
FILES = {"helper.py": "", "lib/__init__.py": "", "lib/data.txt": "x", "bin/tool": "#!/bin/sh\necho works"}

needs_limits = pytest.mark.skipif(
    os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root may write everywhere, and there is no setpriv"
)


def modes(folder):
    return {str(each.relative_to(folder)): stat.S_IMODE(each.stat().st_mode) for each in folder.rglob("*")}


async def test_files_and_directories_have_no_write_permission(api, package, hub):
    sequence = await api.send(package(WRITES, files=FILES))
    found = modes(hub.sequences.root / sequence)
    assert {name for name, mode in found.items() if mode & 0o222} == {"__pycache__", "lib/__pycache__"}
    assert stat.S_IMODE((hub.sequences.root / sequence).stat().st_mode) & 0o222 == 0
    assert (found["main.py"], found["bin/tool"], found["lib"], found["__pycache__"]) == (0o400, 0o400, 0o500, 0o700)


@needs_limits
@pytest.mark.slow
async def test_a_sequence_can_not_change_its_package_and_the_hub_can(tmp_path, package, api_of):
    # root is allowed all: without these capabilities it is a user as any other
    prefix = ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner") if os.geteuid() == 0 else ()
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    sth = Sth("-P", 0, "-D", tmp_path / "root", prefix=prefix, stderr=subprocess.DEVNULL, env=env).run()
    try:
        async with aiohttp.ClientSession() as session:
            api = api_of(sth, session)
            sequence = await api.send(package(WRITES, files=FILES))
            instance = await api.start(sequence)
            assert await api.read(f"{instance}/output") == b"[true, true, true, true, true, true]"
            cached = {each.name.partition(".")[0] for each in (tmp_path / "root" / sequence).glob("__pycache__/*.pyc")}
            assert "helper" in cached
            await api.ended(instance)
            await api.post(f"{instance}/_kill", {"removeImmediately": True})
            await api.answers(instance, 404)
            octets = {"content_type": "application/octet-stream"}
            assert (
                await api.call("PUT", f"/sequence/{sequence}", package(WRITES, files=FILES), **octets)
            ).status == 200
            assert not any(mode & 0o222 for mode in modes(tmp_path / "root" / sequence / "bin").values())
            assert (await api.call("DELETE", f"/sequence/{sequence}")).status == 200
            assert [each.name for each in (tmp_path / "root").iterdir() if each.name[0] != "."] == []
            assert not list((tmp_path / "root" / ".incoming").iterdir())
    finally:
        sth.end()


def test_links_are_not_followed(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").touch()
    package = tmp_path / "package"
    package.mkdir()
    (package / "file").symlink_to("../outside/file")
    (package / "folder").symlink_to("../outside")
    before = modes(tmp_path / "outside")
    protect(package)
    move(package, tmp_path / "moved")
    remove_tree(tmp_path / "moved")
    assert modes(tmp_path / "outside") == before
    assert not (tmp_path / "moved").exists()


@pytest.mark.parametrize("name", ["__pycache__", "__pycache__/main.py"])
async def test_a_package_may_have_something_where_byte_code_goes(name, api, package):
    sequence = await api.send(package("async def run(context, input): yield 'runs'", files={name: "x = 1"}))
    assert await api.read(f"{await api.start(sequence)}/output") == b"runs"


def test_a_move_that_fails_leaves_it_protected(tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    protect(package)
    with pytest.raises(FileNotFoundError):
        move(package, tmp_path / "nowhere" / "package")
    assert stat.S_IMODE(package.stat().st_mode) & 0o222 == 0


def test_tools_keep_their_permission_to_run(tmp_path):
    tool = tmp_path / "package" / "tool"
    tool.parent.mkdir()
    tool.write_text(f"#!{sys.executable}\nprint('works')")
    tool.chmod(0o755)
    protect(tool.parent)
    assert subprocess.run([tool], capture_output=True, text=True, check=True).stdout == "works\n"


def test_a_tree_that_is_nested_deeper_than_python_walks_is_deleted(tmp_path):
    top = tmp_path / "top"
    top.mkdir()
    place = os.open(top, os.O_DIRECTORY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=place)
        below = os.open("d", os.O_DIRECTORY, dir_fd=place)
        os.close(place)
        place = below
    os.fchmod(place, 0o500)
    os.close(place)
    remove_tree(top)
    assert not top.exists()


@pytest.mark.parametrize("reattach", [True, False])
async def test_no_other_user_reads_what_a_hub_has(reattach, tmp_path, package, api_of):
    before = os.umask(0)
    try:
        async with (
            serve(data_dir=tmp_path / "some" / "where", reattach=reattach) as hub,
            aiohttp.ClientSession() as session,
        ):
            api = api_of(hub, session)
            sequence = await api.send(package("def run(context, input): return input", files=FILES))
            await api.start(sequence)
            octets = {"content_type": "application/octet-stream"}
            await api.call("PUT", f"/sequence/{await api.send(package(''))}", package("", files=FILES), **octets)
            open_to_others = {name for name, mode in modes(tmp_path).items() if mode & 0o077}
    finally:
        os.umask(before)
    assert not open_to_others
