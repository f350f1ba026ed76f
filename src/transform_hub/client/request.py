"""One request to a Hub, from its first try to its last."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp

READ_SIZE = 256 * 1024
"""Bytes of an answer to read ahead; up to twice as many are buffered before the server has to wait."""


class StreamBody(aiohttp.Payload):
    """A body that can be sent only once."""

    @property
    def has_begun(self) -> bool:
        """Whether the Hub has asked for it."""
        raise NotImplementedError


@dataclass
class Request:
    """One request, which may take several tries.

    Args:
        method: as in HTTP.
        path: below the API's base, quoted, with a slash in front.
        headers: besides those of all requests.
        body: bytes, or a payload that is not started before the Hub asks for it.
        idle_timeout: seconds of silence of the answer before giving up.
        limit: seconds for all tries together; None is no limit.
        read_size: bytes of the answer to read ahead.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | StreamBody | None = None
    idle_timeout: float | None = None
    limit: float | None = None
    read_size: int = READ_SIZE
    id: str = field(default_factory=lambda: f"{random.getrandbits(128):032x}")
    begun: float = field(default_factory=time.monotonic)

    @property
    def has_begun(self) -> bool:
        """Whether a part of its body may be sent, so that it can't be repeated."""
        return isinstance(self.body, StreamBody) and self.body.has_begun

    @property
    def remaining(self) -> float | None:
        """Seconds left; never 0, which means no limit to aiohttp."""
        return None if self.limit is None else max(self.begun + self.limit - time.monotonic(), 0.001)
