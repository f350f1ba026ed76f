"""``--tap``: copies on stdout, and what was dropped on stderr."""

import asyncio

import pytest
from test_tap import STREAM, Tapped, serving_tap

pytestmark = pytest.mark.slow

ID = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        *((f"/instance/{ID}/{name}", ("inst", name, ID)) for name in ("output", "stdout", "stderr")),
        ("/topic/news", ("topic", "get", "news")),
    ],
)
async def test_a_gap_is_told_on_stderr(path, words, lonely):
    tapped = Tapped((0, 103), (200, len(STREAM)))
    async with serving_tap(tapped, path) as server:
        env = {**lonely.env, "SCRAMJET_HUB_URL": server.url}
        si = await asyncio.create_subprocess_exec("si", *words, "--tap", env=env, stdout=-1, stderr=-1)
        begun = await si.stdout.readexactly(103)
        tapped.taken.set()
        rest, said = await si.communicate()
    assert (si.returncode, begun + rest) == (0, STREAM[:103] + STREAM[200:])
    assert b"97 bytes are missing" in said
