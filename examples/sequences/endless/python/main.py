"""Needs no input. When nobody reads, its output fills up and the next `yield` waits."""

from itertools import count


def run(context, input):
    yield from count(1)
