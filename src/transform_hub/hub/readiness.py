"""Whether a Hub takes Sequences and starts Instances.

    starting up ──> ready ──> ending        a Hub that fails to start goes to its end at once

Requests wait until ``can_answer`` is set: earlier the Instances of an earlier Hub are not all back.
"""

from __future__ import annotations

import asyncio

from transform_hub.hub.errors import ApiError


class Readiness:
    """Where a Hub is between its start and its end.

    Attributes:
        reason: why the Hub is not ready; None if it is.
        can_answer: set once all routes can be served.
    """

    def __init__(self) -> None:
        self.reason: str | None = "The Hub is starting up"
        self.can_answer = asyncio.Event()
        self._is_ending = False

    def begin(self) -> None:
        """Be ready."""
        self.reason = None

    def drain(self) -> None:
        """Take no Sequences and start no Instances any more."""
        self._is_ending = True
        self.reason = "The Hub is ending"

    def require_accepting(self) -> None:
        """Refuse what a Hub that is ending can't begin any more.

        Raises:
            ApiError: it is ending.
        """
        if self._is_ending:
            raise ApiError(503, "The Hub is ending: try again when it is back", headers={"Retry-After": "5"})
