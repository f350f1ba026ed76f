"""The disk fills up: uploads are refused with a clear error, what was there stays, and room that is made is used."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from stress.hub import hub_process
from stress.processes import allowed
from stress.sequences import ECHO, package
from stress.stage import Skipped, Stage
from transform_hub.client import HostClient
from transform_hub.errors import HubResponseError

TITLE = "disk full"

SIZE = "6m"
"""Of the disk, a tmpfs in a mount namespace of the Hub's own."""

MOUNT = f'mount -t tmpfs -o size={SIZE} none "$0" && exec "$@"'


async def run(stage: Stage) -> None:
    disk = stage.folder / "disk"
    disk.mkdir()
    prefix = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", MOUNT, str(disk))
    require_namespaces(prefix)
    refusals, kept = 0, 0
    async with hub_process(stage.folder, "-D", str(disk / "sequences"), prefix=prefix) as hub, hub.client() as host:
        inside = Path(f"/proc/{hub.process.pid}/root{disk}")
        first = await host.send_sequence(package(stage.folder, ECHO))
        for _ in range(stage.scale.rounds):
            sent = await fill(stage, host)
            refusals, kept = refusals + 1, kept + len(sent)
            assert {info.id for info in await host.list_sequences()} == {first.id, *(one.id for one in sent)}
            with allowed():
                left = list((inside / "sequences" / ".incoming").iterdir())
            assert not left, "a refused upload has left something"
            done = await host.run(first, input=b"still here\n", timeout=30)
            assert done.output == b"still here\n", done
            for sequence in sent:
                await sequence.delete()
    stage.tell(f"{refusals} times full after {kept} uploads: refused", f"{refusals} with 507 and its reason", "all")
    stage.tell("left of what was refused", "0 files", "none; Sequences run, deleting makes room")


def require_namespaces(prefix: tuple[str, ...]) -> None:
    """Look whether this machine lets us mount a disk of our own."""
    if (
        shutil.which("unshare") is None
        or subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode
    ):
        raise Skipped("needs unshare and user namespaces")


async def fill(stage: Stage, host: HostClient) -> list:
    """Send Sequences of random size until the disk is full."""
    sent = []
    while True:
        ballast = stage.dice.randbytes(stage.dice.randrange(200_000, 900_000))
        try:
            sent.append(await host.send_sequence(package(stage.folder, ECHO, ballast=ballast)))
        except HubResponseError as error:
            refusal = error.status, error.message
            break
    assert refusal == (507, "The Hub's disk is full"), refusal
    return sent
