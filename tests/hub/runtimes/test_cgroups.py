"""Limits of control groups, for all processes of an Instance together.

They need cgroups v2 with a group that is the Hub's own, which most machines that run tests don't offer. Where there is
user-mode Linux (``apt install user-mode-linux``) these tests are run once more on its kernel, which does.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from transform_hub.hub.runtimes import cgroups
from until import until

INSIDE = "CGROUP_TESTS_INSIDE"
LINUX = shutil.which("linux.uml")
ROOT = Path(__file__).parents[3]


def are_usable():
    own = cgroups._own_group()
    return own is not None and {*cgroups.CONTROLLERS} <= {*(own / "cgroup.controllers").read_text().split()}


pytestmark = pytest.mark.slow
needs_groups = pytest.mark.skipif(not are_usable(), reason="no control groups (cgroups v2) of our own")

IN_CHILDREN = """
import asyncio, sys
TAKE = "import sys, time; x = bytearray(90 << 20); print(len(x), flush=True); sys.stdin.read()"
async def run(context, input):
    pipe = asyncio.subprocess.PIPE
    children = []
    for _ in range(3):  # each of them has less than the limit
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", TAKE, stdin=pipe, stdout=pipe)
        children.append(child)
        yield (await child.stdout.readline()).decode()
    async for _ in input: pass
"""
FORKS = """
import os, signal
def run(context, input):
    pids = []
    try:
        while len(pids) < 500:
            pid = os.fork()
            if pid == 0:
                signal.pause()
            pids.append(pid)
    except OSError as error:
        return [f"{type(error).__name__} {len(pids)}"]
    return ["none"]
"""
LEAVES = """
import os, signal
def run(context, input):
    if os.fork() == 0:
        os.setsid()
        signal.pause()
    return input
"""
GROUP = "def run(context, input):\n    return [open('/proc/self/cgroup').read()]"
LIMITS = {"memory": 200, "processes": 50}


def groups_of(sth):
    """Names in the Hub's part of the tree."""
    own = cgroups._own_group() / ("sth-" + cgroups._digest(str(sth.folder / ".hub")))
    return sorted(each.name for each in own.iterdir() if each.is_dir())


@needs_groups
@pytest.mark.parametrize("options", [(), ("--no-zygote",), ("--sandbox",)])
async def test_memory_of_all_processes_together(sth, package, options):
    api = await sth.start(*options)
    sequence = await api.send(package(IN_CHILDREN))
    instance = await api.start(sequence, limits={"memory": 200})
    info = await api.ended(instance)
    assert info["terminated"] == {"exitcode": 137, "reason": "Runner killed: memory limit of 200 MB"}
    assert info["status"] == "errored"
    await until(lambda: groups_of(sth) == ["hub"])

    enough = await api.start(sequence, limits={"memory": 1000})
    await api.input(enough, "")
    assert (await api.ended(enough))["terminated"]["exitcode"] == 0


@needs_groups
@pytest.mark.parametrize("options", [(), ("--no-zygote",)])
async def test_number_of_processes(sth, package, options):
    api = await sth.start(*options)
    instance = await api.start(await api.send(package(FORKS)), limits={"processes": 20})
    said, count = (await api.read(f"{instance}/output")).decode().split()
    assert said == "BlockingIOError"
    assert 10 < int(count) < 20


@needs_groups
async def test_what_has_no_limits_has_no_group(sth, package):
    api = await sth.start()
    sequence = await api.send(package(GROUP))
    free = await api.start(sequence)
    assert (await api.read(f"{free}/output")).endswith(b"/hub\n")
    limited = await api.start(sequence, limits=LIMITS)
    assert not (await api.read(f"{limited}/output")).endswith(b"/hub\n")
    await until(lambda: groups_of(sth) == ["hub"])


@needs_groups
async def test_nothing_of_an_instance_is_left(sth, package):
    api = await sth.start()
    instance = await api.start(await api.send(package(LEAVES)), limits=LIMITS)
    assert len(groups_of(sth)) == 2
    await api.input(instance, "")
    await api.ended(instance)
    await until(lambda: groups_of(sth) == ["hub"])


@needs_groups
async def test_an_instance_that_outlives_its_hub_keeps_its_group(sth, package):
    api = await sth.start("--reattach")
    sequence = await api.send(package(IN_CHILDREN))
    going_on = await api.start(sequence, limits={"memory": 1000})
    groups = groups_of(sth)
    await sth.kill()
    api = await sth.start("--reattach")
    assert groups_of(sth) == groups
    await api.input(going_on, "")
    assert (await api.ended(going_on))["terminated"]["exitcode"] == 0
    await until(lambda: groups_of(sth) == ["hub"])


@needs_groups
async def test_what_a_killed_hub_leaves_is_removed(sth, package):
    api = await sth.start("--no-reattach")
    await api.start(await api.send(package(LEAVES)), limits=LIMITS)
    assert len(groups_of(sth)) == 2
    await sth.kill()
    await sth.start("--no-reattach")
    await until(lambda: groups_of(sth) == ["hub"])


@needs_groups
async def test_a_group_that_systemd_has_delegated(sth, package):
    own = cgroups._own_group()
    delegated = own / "sth.service"
    for each in (delegated, delegated / "main"):  # Delegate=yes and DelegateSubgroup=main
        each.mkdir()
    (own / "cgroup.subtree_control").write_text("+memory +pids")
    os.setxattr(delegated, "user.delegate", b"1")
    (delegated / "main" / "cgroup.procs").write_text("0")
    try:
        api = await sth.start()
    finally:
        (own / "cgroup.procs").write_text("0")
    instance = await api.start(await api.send(package(GROUP)), limits=LIMITS)
    assert b"/sth.service/sth-" in await api.read(f"{instance}/output")
    await api.ended(instance)
    await sth.end()


@needs_groups
async def test_a_group_with_others_in_it_is_left_as_it_is(sth, package):
    own = cgroups._own_group()
    shared = own / "shared"
    shared.mkdir()
    (shared / "cgroup.procs").write_text("0")
    try:
        api = await sth.start()
        instance = await api.start(await api.send(package(GROUP)))
        assert (await api.read(f"{instance}/output")).endswith(b"/shared\n")
        assert [each for each in shared.iterdir() if each.is_dir()] == []
        await sth.end()
    finally:
        (own / "cgroup.procs").write_text("0")
    shared.rmdir()


async def test_without_groups_processes_can_not_be_limited(sth, package):
    api = await sth.start("--no-cgroups")
    sequence = await api.send(package(GROUP))
    answer = await api.post(f"/sequence/{sequence}/start", {"limits": {"processes": 50}})
    assert (answer.status, answer.json["error"][:24]) == (400, "Invalid limits.processes")
    command = [sth.program, "-P", "0", "-D", sth.folder / "other", "--no-cgroups", "--instance-processes", "50"]
    refused = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert refused.returncode == 1
    assert "control groups" in refused.stderr


@pytest.mark.timeout(300)
@pytest.mark.skipif(LINUX is None or INSIDE in os.environ or are_usable(), reason="there is no linux.uml, or no need")
def test_on_a_kernel_of_its_own(tmp_path):
    script = tmp_path / "init"
    script.write_text(f"""#!/bin/sh
export PATH={os.environ["PATH"]} {INSIDE}=1 TMPDIR={tmp_path}/tmp
mount -t proc proc /proc && mount -t sysfs sys /sys && mkdir -p $TMPDIR && mount -t tmpfs tmp $TMPDIR
mount -t cgroup2 none /sys/fs/cgroup
ip link set lo up
cd {ROOT} && {sys.executable} -m pytest -v -n 0 -p no:cacheprovider {Path(__file__)} > {tmp_path}/said 2>&1
echo $? > {tmp_path}/code
poweroff -f
""")
    script.chmod(0o755)
    kernel = [LINUX, "mem=3G", "rootfstype=hostfs", "rootflags=/", "rw", f"init={script}", "con=null", "con0=null,fd:1"]
    done = subprocess.run(kernel, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=280)
    said = (tmp_path / "said").read_text() if (tmp_path / "said").exists() else done.stdout
    assert (tmp_path / "code").read_text().strip() == "0", said
    assert " passed" in said
