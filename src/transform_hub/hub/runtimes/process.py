"""Runners as processes of this machine: forked by a zygote, or started one by one."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transform_hub.hub.reattach.fdstore import KeeperPlaces
from transform_hub.hub.runtimes import interpreter
from transform_hub.hub.runtimes.cgroups import LIMITED, ControlGroups, entering, open_groups
from transform_hub.hub.runtimes.process_group import kill_group, kill_runner
from transform_hub.hub.runtimes.runtime import Exit, Survivor
from transform_hub.hub.runtimes.sandbox import Sandbox
from transform_hub.hub.runtimes.zygote import Zygote

log = logging.getLogger(__name__)

_PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "VIRTUAL_ENV")
_PASSED_ON_PREFIXES = ("LC_", "PYTHON", "SSL_CERT_")
_PASSED_ON_STH = ("DEVELOPMENT", "PRODUCTION")


def runner_environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """The environment of runners: what programs need to work, none of the Hub's own settings and secrets."""
    names = (*_PASSED_ON, *_PASSED_ON_STH)
    chosen = {
        name: value for name, value in os.environ.items() if name in names or name.startswith(_PASSED_ON_PREFIXES)
    }
    return {**chosen, **(extra or {})}


class ProcessRuntime:
    """Starts runner processes.

    Args:
        zygote: fork runners from a warmed-up process (milliseconds); otherwise start an interpreter for each.
        environment: variables that Sequences get in addition.
        sandbox: what each runner is shut in; none is forked then, as what a zygote is shut in were the same for all.
        keepers: where zygotes are found that have outlived their Hub; None to let runners end with it.
        groups_of: the Hub's directory, to have control groups of its own; None to do without.
    """

    has_groups = False

    def __init__(
        self,
        *,
        zygote: bool = hasattr(os, "fork"),
        environment: dict[str, str] | None = None,
        sandbox: Sandbox | None = None,
        keepers: KeeperPlaces | None = None,
        groups_of: Path | None = None,
    ) -> None:
        self._groups_of = groups_of
        self._groups: ControlGroups | None = None
        self._environment = runner_environment(environment)
        self._sandbox = sandbox
        self._use_zygote = zygote and sandbox is None
        self._keepers = keepers
        self._zygote: Zygote | None = None
        self._older: list[Zygote] = []
        self._zygote_of: dict[str, Zygote] = {}
        self._pids: dict[str, int] = {}
        self._watching: set[asyncio.Task[None]] = set()
        self._starting = asyncio.Lock()
        self._kept: dict[str, int] = {}

    async def start(self) -> None:
        if self._groups_of is not None:
            self._open_groups(self._groups_of)
        if self._sandbox is not None:
            await self._sandbox.check()
        async with self._starting:
            if self._use_zygote and (self._zygote is None or self._zygote.lost):
                self._zygote = await Zygote.start(self._environment, self._pids, self._keepers)
                for name, descriptor in self._kept.items():
                    self.keep(name, descriptor)

    def _open_groups(self, directory: Path) -> None:
        self._groups_of = None
        self._groups = open_groups(directory)
        self.has_groups = self._groups is not None
        if self._groups is not None and self._keepers is None:
            self._groups.keep(())

    async def survivors(self) -> list[Survivor]:
        if self._keepers is None:
            return []
        found = []
        for place in list(self._keepers.find()):
            if (zygote := await Zygote.join(place, self._pids, self._keepers)) is not None:
                self._older.append(zygote)
                found += zygote.survivors
                self._zygote_of.update(dict.fromkeys((each.id for each in zygote.survivors), zygote))
        if self._groups is not None:
            self._groups.keep(each.id for each in found)
        return found

    async def launch(self, spec: dict[str, Any], on_exit: Callable[[Exit], None]) -> None:
        group = self._make_group(spec)
        on_exit = self._ending_group(spec["id"], on_exit)
        if self._use_zygote:
            await self.start()
            assert self._zygote is not None
            self._zygote_of[spec["id"]] = self._zygote
            self._zygote.launch({**spec, "group": str(group)} if group else spec, on_exit)
            return
        process = await asyncio.create_subprocess_exec(
            *(entering(group) if group else ()),
            *(self._sandbox.command(spec) if self._sandbox else ()),
            *interpreter.command("transform_hub.runner"),
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            start_new_session=self._sandbox is not None,  # a runner makes one itself, of which bwrap is no part
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(spec).encode())
        process.stdin.close()
        self._pids[spec["id"]] = process.pid
        watch = asyncio.create_task(self._watch(process, spec["id"], on_exit))
        self._watching.add(watch)
        watch.add_done_callback(self._watching.discard)

    def _make_group(self, spec: dict[str, Any]) -> Path | None:
        limits = spec.get("limits") or {}
        return self._groups.make(spec["id"], limits) if self._groups and limits.keys() & LIMITED else None

    def _ending_group(self, instance_id: str, on_exit: Callable[[Exit], None]) -> Callable[[Exit], None]:
        groups = self._groups
        if groups is None:
            return on_exit
        return lambda exit_: on_exit(dataclasses.replace(exit_, out_of_memory=groups.end(instance_id)))

    def watch(self, instance_id: str, on_exit: Callable[[Exit], None]) -> None:
        self._zygote_of[instance_id].watch(instance_id, self._ending_group(instance_id, on_exit))

    def hold(self, instance_id: str, sockets: dict[str, int]) -> None:
        if self._keepers is not None and (zygote := self._zygote_of.get(instance_id)) is not None:
            zygote.hold(instance_id, sockets)

    def keep(self, name: str, descriptor: int) -> None:
        self._kept[name] = descriptor
        if self._zygote is not None:
            self._zygote.hold(name, {"topic": descriptor})

    def unkeep(self, name: str) -> None:
        if self._kept.pop(name, None) is not None and self._zygote is not None:
            self._zygote.release(name)

    def release(self, instance_id: str) -> None:
        if (zygote := self._zygote_of.pop(instance_id, None)) is not None:
            zygote.release(instance_id)
            if zygote in self._older and zygote not in self._zygote_of.values():
                zygote.quit()

    async def _watch(self, process: asyncio.subprocess.Process, id_: str, on_exit: Callable[[Exit], None]) -> None:
        code = await process.wait()
        del self._pids[id_]
        kill_group(process.pid)
        if self._sandbox is not None and code > 128:  # so bwrap tells of a signal
            code = 128 - code
        on_exit(Exit(code=code) if code >= 0 else Exit(signal=-code))

    def kill(self, instance_id: str) -> None:
        if (pid := self._pids.get(instance_id)) is not None:
            kill_runner(pid)
        elif (zygote := self._zygote_of.get(instance_id)) is not None:
            zygote.doomed.add(instance_id)

    async def close(self) -> None:
        for pid in list(self._pids.values()):
            kill_runner(pid)
        if self._watching:
            await asyncio.wait(self._watching)
        for zygote in (*self._older, self._zygote):
            if zygote is not None:
                await zygote.close()
