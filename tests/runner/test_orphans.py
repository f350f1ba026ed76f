"""What a Sequence leaves behind outside its process group ends with it; on Linux, with a zygote."""

import sys

import psutil
import pytest

from processes import alive, gone

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no child subreaper")

DAEMONS = {
    "a program in a session of its own": """
        import subprocess
        def run(context, input):
            context.emit("daemon", subprocess.Popen(["sleep", "1000"], start_new_session=True).pid)
            return input
    """,
    "one below another": """
        import subprocess
        def run(context, input):
            command = "setsid sleep 1000 & echo $!; exec sleep 1000"
            shell = subprocess.Popen(["sh", "-c", command], start_new_session=True, stdout=subprocess.PIPE)
            context.emit("daemon", int(shell.stdout.readline()))
            return input
    """,
    "a fork that is nobody's child any more": """
        import os, time
        def run(context, input):
            reading, writing = os.pipe()
            if os.fork() == 0:
                os.setsid()
                if (daemon := os.fork()) == 0:
                    time.sleep(1000)
                os.write(writing, str(daemon).encode())
                os._exit(0)
            os.wait()
            context.emit("daemon", int(os.read(reading, 100)))
            return input
    """,
}


async def daemon_of(api, instance):
    return psutil.Process((await api.get(f"{instance}/event/daemon")).json)


@pytest.mark.parametrize("source", DAEMONS.values(), ids=DAEMONS)
@pytest.mark.parametrize("verb", ["_kill", "input"])
async def test_daemons_end_with_their_instance_and_no_sooner(launch, api, source, verb):
    kept, ended = await launch(source), await launch(source)
    others, own = await daemon_of(api, kept), await daemon_of(api, ended)
    await (api.input(ended, b"") if verb == "input" else api.post(f"{ended}/_kill", {}))
    await api.ended(ended)
    await gone(own)
    assert alive(others)
    await api.post(f"{kept}/_kill", {})
    await gone(others)


async def test_daemons_of_javascript_sequences_too(launch_js, api):
    instance = await launch_js("""
        const { spawn } = require("node:child_process");
        module.exports = function (input) {
            const daemon = spawn("sleep", ["1000"], { detached: true, stdio: "ignore" });
            daemon.unref();
            this.emit("daemon", daemon.pid);
            return input;
        };
    """)
    daemon = await daemon_of(api, instance)
    await api.post(f"{instance}/_kill", {})
    await gone(daemon)


async def test_daemons_end_with_the_hub(launch, api, hub):
    found = [await daemon_of(api, await launch(source)) for source in DAEMONS.values()]
    await hub.close()
    assert not any(alive(each) for each in found)


async def test_an_instance_tells_its_processes_its_id(launch, api):
    instance = await launch("""
        import subprocess
        def run(context, input):
            return subprocess.check_output("echo $INSTANCE_ID", shell=True)
    """)
    await api.ended(instance)
    assert await api.read(f"{instance}/output") == f"{instance.rpartition('/')[2]}\n".encode()
