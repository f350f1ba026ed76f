"""A runtime that starts runners its own way, and is none of ours inside: a subprocess and a thread for each.

It stands for one on other machines: a runner may be lost with its machine, and there is room for so many.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading

from transform_hub.hub.errors import NoRoomError
from transform_hub.hub.runtimes.runtime import Exit


class PlainRuntime:
    limits = ("memory", "cpu", "files")

    def __init__(self, room=100):
        self.room = room
        self.processes = {}
        self.lost = set()

    async def start(self, hub):
        self.hub, self.loop = hub, asyncio.get_running_loop()

    async def launch(self, order, on_exit):
        if len(self.processes) >= self.room:
            raise NoRoomError(f"{self.room} runners are all that this runtime can have")
        process = subprocess.Popen(
            [sys.executable, "-m", "transform_hub.runner"], stdin=subprocess.PIPE, cwd="/", start_new_session=False
        )
        self.processes[order.id] = process
        process.stdin.write(json.dumps(order.spec(link=self.hub.link, api=self.hub.api)).encode())
        process.stdin.close()
        threading.Thread(target=self._wait, args=(order.id, process, on_exit), daemon=True).start()

    def _wait(self, instance_id, process, on_exit):
        code = process.wait()
        self.loop.call_soon_threadsafe(self._ended, instance_id, code, on_exit)

    def _ended(self, instance_id, code, on_exit):
        del self.processes[instance_id]
        if instance_id in self.lost:
            self.lost.remove(instance_id)
            on_exit(Exit(lost=True))
        else:
            on_exit(Exit(code=code) if code >= 0 else Exit(signal=-code))

    def kill(self, instance_id):
        if (process := self.processes.get(instance_id)) is not None:
            for end in (os.killpg, os.kill):
                with contextlib.suppress(ProcessLookupError):
                    end(process.pid, signal.SIGKILL)

    def lose(self, instance_id):
        """The machine of a runner is gone: nobody knows how the runner ended."""
        self.lost.add(instance_id)
        self.kill(instance_id)

    async def close(self):
        for instance_id in list(self.processes):
            self.kill(instance_id)
        while self.processes:
            await asyncio.sleep(0.005)
