"""Runners as processes of this machine: forked by a zygote, or started one by one."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transform_hub.hub.errors import NoRoomError
from transform_hub.hub.instances.limits import NAMES
from transform_hub.hub.reattach.fdstore import FdStoreFiles, Survivor
from transform_hub.hub.runtimes import interpreter
from transform_hub.hub.runtimes.cgroups import LIMITED, ControlGroups, entering, open_groups
from transform_hub.hub.runtimes.node import find_node
from transform_hub.hub.runtimes.process_group import kill_group, kill_runner
from transform_hub.hub.runtimes.runtime import Exit, HubAddresses, LaunchOrder
from transform_hub.hub.runtimes.sandbox import Sandbox
from transform_hub.hub.runtimes.zygote import Zygote
from transform_hub.hub.sequences.engines import engine_of, require_engine
from transform_hub.models import SequenceConfig

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
    """Starts runner processes, and stores descriptors for another Hub where it is told where.

    Args:
        zygote: fork runners from a warmed-up process (milliseconds); otherwise start an interpreter for each.
        environment: variables that Sequences get in addition.
        sandbox: what each runner is shut in; disables the zygote: forks would share one sandbox.
        fdstore: where zygotes are found that have outlived their Hub; None to let runners end with it.
        groups_of: the Hub's directory, to have control groups of its own; None to do without.
        shortage: says what this machine lacks for another Instance, None if nothing.
    """

    _hub: HubAddresses

    def __init__(
        self,
        *,
        zygote: bool = hasattr(os, "fork"),
        environment: dict[str, str] | None = None,
        sandbox: Sandbox | None = None,
        fdstore: FdStoreFiles | None = None,
        groups_of: Path | None = None,
        shortage: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._environment = runner_environment(environment)
        self._sandbox = sandbox
        self._shortage = shortage
        # control groups
        self._groups_of = groups_of
        self._groups: ControlGroups | None = None
        # zygotes, those of an earlier Hub included, and what they hold
        self._use_zygote = zygote and sandbox is None
        self._fdstore = fdstore
        self._zygote: Zygote | None = None
        self._starting = asyncio.Lock()
        self._launched_by: dict[str, Zygote] = {}
        self._survived_in: dict[str, Zygote] = {}
        self._held: dict[str, dict[str, int]] = {}
        # processes
        self._pids: dict[str, int] = {}
        self._watching: set[asyncio.Task[None]] = set()

    @property
    def limits(self) -> frozenset[str]:
        return frozenset(NAMES) if self._groups is not None else frozenset(NAMES) - {"processes"}

    async def start(self, hub: HubAddresses) -> None:
        self._hub = hub
        if self._groups_of is not None:
            self._groups = open_groups(self._groups_of)
            if self._groups is not None and self._fdstore is None:
                self._groups.keep(())
        if self._sandbox is not None:
            await self._sandbox.check()
        if self._use_zygote:
            await self._warm_up()

    async def _warm_up(self) -> Zygote:
        """The zygote that forks from now on."""
        async with self._starting:
            if self._zygote is None or self._zygote.lost:
                self._zygote = await Zygote.start(self._environment, self._pids, self._fdstore)
                for name, descriptors in self._held.items():
                    self._zygote.hold(name, descriptors)
            return self._zygote

    # --- runners ------------------------------------------------------------------------------------------

    async def launch(self, order: LaunchOrder, on_exit: Callable[[Exit], None]) -> None:
        of_node = await self._engine(order.sequence)
        if not order.is_restart and (lack := self._shortage()):
            raise NoRoomError(lack)
        spec = order.spec(link=self._hub.link, api=self._hub.api, **of_node)
        group = self._make_group(spec)
        on_exit = self._cleaning_up(order.id, on_exit)
        if self._use_zygote:
            zygote = self._launched_by[order.id] = await self._warm_up()
            zygote.launch({**spec, "group": str(group)} if group else spec, on_exit)
        else:
            await self._spawn(spec, group, on_exit)

    async def _engine(self, config: SequenceConfig) -> dict[str, str]:
        """Where the engine of a Sequence is, which this machine has in the right version."""
        if engine_of(config) != "node":
            require_engine(config, {"python3": platform.python_version()})
            return {}
        node = await find_node()
        require_engine(config, {"node": node.version} if node else {})
        assert node is not None
        return {"node": node.path}

    async def _spawn(self, spec: dict[str, Any], group: Path | None, on_exit: Callable[[Exit], None]) -> None:
        process = await asyncio.create_subprocess_exec(
            *(entering(group) if group else ()),
            *(self._sandbox.command(spec) if self._sandbox else ()),
            *interpreter.command("transform_hub.runner"),
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C in the Hub's terminal is the Hub's to handle
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(spec).encode())
        process.stdin.close()
        self._pids[spec["id"]] = process.pid
        watch = asyncio.create_task(self._watch_process(process, spec["id"], on_exit))
        self._watching.add(watch)
        watch.add_done_callback(self._watching.discard)

    async def _watch_process(
        self, process: asyncio.subprocess.Process, instance_id: str, on_exit: Callable[[Exit], None]
    ) -> None:
        code = await process.wait()
        del self._pids[instance_id]
        kill_group(process.pid)
        if self._sandbox is not None and code > 128:  # so bwrap tells of a signal
            code = 128 - code
        on_exit(Exit(code=code) if code >= 0 else Exit(signal=-code))

    def _make_group(self, spec: dict[str, Any]) -> Path | None:
        limits = spec["limits"]
        return self._groups.make(spec["id"], limits) if self._groups and limits.keys() & LIMITED else None

    def _cleaning_up(self, instance_id: str, on_exit: Callable[[Exit], None]) -> Callable[[Exit], None]:
        """What to call at the end of a runner, so that nothing of it is left here."""

        def end(exit_: Exit) -> None:
            if self._fdstore is None:  # else its channels are held until they are released
                self._launched_by.pop(instance_id, None)
            if self._groups is not None:
                exit_ = dataclasses.replace(exit_, out_of_memory=self._groups.end(instance_id))
            on_exit(exit_)

        return end

    def kill(self, instance_id: str) -> None:
        if (pid := self._pids.get(instance_id)) is not None:
            kill_runner(pid)
        elif (zygote := self._launched_by.get(instance_id)) is not None:
            zygote.doomed.add(instance_id)

    async def close(self) -> None:
        for pid in list(self._pids.values()):
            kill_runner(pid)
        if self._watching:
            await asyncio.wait(self._watching)
        for zygote in {*self._survived_in.values(), *self._launched_by.values(), self._zygote}:
            if zygote is not None:
                await zygote.close()

    # --- the descriptor store -----------------------------------------------------------------------------

    def hold(self, name: str, descriptors: dict[str, int]) -> None:
        if self._fdstore is None or not self._use_zygote:
            return
        if (zygote := self._launched_by.get(name)) is not None:  # the runner is to end with what holds its channels
            zygote.hold(name, descriptors)
            return
        self._release_survivor(name)
        self._held[name] = descriptors
        if self._zygote is not None:
            self._zygote.hold(name, descriptors)

    def hold_more(self, name: str, descriptors: dict[str, int]) -> None:
        if (zygote := self._launched_by.get(name) or self._survived_in.get(name)) is not None:
            zygote.hold_more(name, descriptors)

    def release(self, name: str) -> None:
        if self._held.pop(name, None) is not None and self._zygote is not None:
            self._zygote.release(name)
        if (zygote := self._launched_by.pop(name, None)) is not None:
            zygote.release(name)
        self._release_survivor(name)

    def _release_survivor(self, name: str) -> None:
        """Release what a zygote of an earlier Hub holds; with its last it has no more to do."""
        if (zygote := self._survived_in.pop(name, None)) is not None:
            zygote.release(name)
            if zygote not in self._survived_in.values():
                zygote.quit()

    async def survivors(self) -> list[Survivor]:
        if self._fdstore is None:
            return []
        found: list[Survivor] = []
        for path in list(self._fdstore.find()):
            if (zygote := await Zygote.join(path, self._pids, self._fdstore)) is not None:
                found += zygote.survivors
                self._survived_in.update(dict.fromkeys((each.name for each in zygote.survivors), zygote))
                if not zygote.survivors:
                    zygote.quit()
        if self._groups is not None:
            self._groups.keep(each.name for each in found)
        return found

    def watch(self, instance_id: str, on_exit: Callable[[Exit], None]) -> None:
        self._survived_in[instance_id].watch(instance_id, self._cleaning_up(instance_id, on_exit))
