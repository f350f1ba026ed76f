"""Splits running text into sentences and tells how hard each is to read.

Input is text/plain, line by line as it comes; a sentence goes out as soon as its end has come in. The score is
Flesch's reading ease: 100 is easy, 0 is very hard, and legal prose is below that.

    args     [shortest]             leave out sentences of fewer words (default 1)
    config   {"width": columns}     cut what is shown of a sentence (default 60)
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transform_hub import Context, Input

END = re.compile(r"(?<=[.!?])[\"')\]]*\s+|\n\s*\n")
WORD = re.compile(r"[A-Za-z][A-Za-z'-]*")
VOWELS = re.compile(r"[aeiouy]+")


class Tally:
    """What has been counted so far."""

    def __init__(self) -> None:
        self.sentences = self.words = self.syllables = 0

    def add(self, words: Sequence[str]) -> float:
        syllables = sum(count_syllables(word) for word in words)
        self.sentences += 1
        self.words += len(words)
        self.syllables += syllables
        return reading_ease(1, len(words), syllables)


def count_syllables(word: str) -> int:
    word = word.lower()
    groups = len(VOWELS.findall(word))
    silent_e = word.endswith("e") and not word.endswith(("le", "ee")) and groups > 1
    return max(1, groups - silent_e)


def reading_ease(sentences: int, words: int, syllables: int) -> float:
    return 206.835 - 1.015 * words / sentences - 84.6 * syllables / words


async def sentences(lines: Input[str]) -> AsyncIterator[str]:
    """The sentences of a text that comes in lines; a blank line ends one too."""
    rest = ""
    async for line in lines:
        *complete, rest = END.split(rest + line)
        for sentence in complete:
            yield " ".join(sentence.split())
    yield " ".join(rest.split())


async def run(context: Context, input: Input[str], shortest: int = 1) -> AsyncIterator[str]:
    tally = Tally()
    width = context.config.get("width", 60)
    context.set_health_check(lambda: {"healthy": True, "sentences": tally.sentences})
    context.logger.info("Leaving out sentences of fewer than %s words", shortest)

    async for sentence in sentences(input):
        words = WORD.findall(sentence)
        if not words or len(words) < shortest:
            continue
        ease = tally.add(words)
        shown = sentence if len(sentence) <= width else sentence[: width - 3] + "..."
        yield f"{tally.sentences:3}  {len(words):4} words  ease {ease:7.1f}  {shown}\n"

    if tally.sentences:
        ease = reading_ease(tally.sentences, tally.words, tally.syllables)
        context.logger.info("%s sentences, reading ease %.1f", tally.sentences, ease)
        context.emit("summary", {"sentences": tally.sentences, "words": tally.words, "ease": round(ease, 1)})
    print("done:", tally.sentences, "sentences")
    # The text has ended, the Instance has not: it waits to be stopped, as a service would.
    if context.config.get("stay"):
        stopping = asyncio.Event()
        context.set_stop_handler(stopping.set)
        await stopping.wait()
        print("stopping")
