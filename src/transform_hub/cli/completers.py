"""Completion of ids and names: the Hub is asked, for no longer than a person waits at a prompt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from transform_hub.cli.visible import visible
from transform_hub.profile import names

if TYPE_CHECKING:
    from transform_hub.client.host import HostClient

PATIENCE = 1.0
"""Seconds that the Hub has to answer."""

Found = list[tuple[str, str]]
"""Completions, each with its description."""


def complete_sequence(incomplete: str) -> Found:
    """Ids of Sequences, and their names."""

    async def ask(host: HostClient) -> Found:
        return _with_names([(each.id, each.name or each.config.name or "", "") for each in await host.list_sequences()])

    return _asked(ask, incomplete)


def complete_instance(incomplete: str) -> Found:
    """Ids of Instances, and the names of their Sequences."""

    async def ask(host: HostClient) -> Found:
        instances = await host.list_instances()
        return _with_names([(each.id, each.sequence.config.name or "", f" {each.status}") for each in instances])

    return _asked(ask, incomplete)


def complete_topic(incomplete: str) -> Found:
    """Names of topics."""

    async def ask(host: HostClient) -> Found:
        return [(each.topic or each.topic_name, each.content_type) for each in await host.list_topics()]

    return _asked(ask, incomplete)


def complete_profile(incomplete: str) -> Found:
    """Names of profiles."""
    return [(name, "") for name in names() if name.startswith(incomplete)]


def _with_names(known: list[tuple[str, str, str]]) -> Found:
    """Ids with their descriptions; before them the names that are unique."""
    names = [name for _, name, _ in known]
    alone = [(name, one) for one, name, _ in known if name and names.count(name) == 1]
    return [*alone, *((one, name + more) for one, name, more in known)]


def _asked(ask: Callable[[HostClient], Awaitable[Found]], incomplete: str) -> Found:
    import asyncio  # help must not wait for it

    from transform_hub.cli.connection import hub

    async def asking() -> Found:
        async with hub() as host:
            return await ask(host)

    async def in_time() -> Found:
        return await asyncio.wait_for(asking(), PATIENCE)

    try:
        found = asyncio.run(in_time())
    except Exception:  # noqa: BLE001 - errors belong to the command, not to the prompt
        return []
    offered = [each for each in found if each[0].startswith(incomplete) and each[0] == visible(each[0])]
    return [(value, visible(description)) for value, description in offered]
