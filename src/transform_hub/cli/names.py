"""Names on the command line: an id, the start of one, a name, or ``-`` for the last Sequence or Instance; topics."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import typer

from transform_hub.cli import session
from transform_hub.cli.exits import NOT_FOUND, USAGE, CommandError
from transform_hub.cli.visible import visible

if TYPE_CHECKING:
    from transform_hub.client.host import HostClient
    from transform_hub.client.instance import InstanceClient
    from transform_hub.client.sequence import SequenceClient

LAST = "-"

_WHOLE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


async def find_sequence(host: HostClient, word: str) -> SequenceClient:
    """The Sequence that a word on the command line names.

    Raises:
        CommandError: it names none, or several.
    """
    if word == LAST:
        return host.sequence(session.last("sequence"))
    if _WHOLE_ID.fullmatch(word):
        return host.sequence(word)
    found = {each.id: each.name or each.config.name or "" for each in await host.list_sequences()}
    return host.sequence(choose("Sequence", word, found))


async def find_instance(host: HostClient, word: str) -> InstanceClient:
    """The Instance that a word on the command line names; the name of its Sequence is enough if it is the only one.

    Raises:
        CommandError: it names none, or several.
    """
    if word == LAST:
        return host.instance(session.last("instance"))
    if _WHOLE_ID.fullmatch(word):
        return host.instance(word)
    instances, sequences = await asyncio.gather(host.list_instances(), host.list_sequences())
    names = {each.id: each.name or each.config.name or "" for each in sequences}
    found = {each.id: names.get(each.sequence.id, each.sequence.name or "") for each in instances}
    return host.instance(choose("Instance", word, found))


def choose(kind: str, word: str, names: dict[str, str]) -> str:
    """The one id that a word names: an id, a name, the start of an id, or the start of a name.

    Args:
        kind: Sequence or Instance.
        word: as the user wrote it.
        names: ids, and the name of each.

    Raises:
        CommandError: it names none, or several.
    """
    if not word:
        raise CommandError(f"the id or name of the {kind} is empty", code=USAGE)
    if word in names:
        return word
    for matches in (
        [each for each, name in names.items() if name == word],
        [each for each in names if each.startswith(word)],
        [each for each, name in names.items() if name.startswith(word)],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            listed = "".join(f"\n  {each}  {visible(names[each])}".rstrip() for each in matches[:10])
            raise CommandError(f"several {kind}s match {word!r}: use an id{listed}", code=USAGE)
    command = f"si {kind.lower()} list"
    raise CommandError(f"there is no {kind} {word!r} on this Hub: see `{command}`", code=NOT_FOUND)


def topic_name(name: str | None) -> str | None:
    """A topic's name, checked.

    Raises:
        typer.BadParameter: a topic can't have this name.
    """
    # Reading or writing a topic creates it: check the name before.
    from transform_hub.models.rules import TOPIC_NAME, TOPIC_RULE

    if name is not None and not TOPIC_NAME.fullmatch(name):
        raise typer.BadParameter(f"{name!r} can't name a topic: use {TOPIC_RULE}")
    return name
