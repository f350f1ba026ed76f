"""Restart policies: whether, and when, an Instance whose run has ended gets another one.

    policy       a new run follows
    never        not at all
    on-failure   a run that ended as errored: an exception, an exit code, a signal that nobody here has sent
    always       also one that came to its end

Nothing follows a run that was being stopped or killed, nor a start that failed before its runner was there: that is
answered with an error. The pause before a run is `delay`, and twice as long before each that follows it, up to
`max_delay`. A run that has lasted for `reset_after` begins the row anew, with the first pause. After `max_retries` in a
row the Instance has ended; without it a row has no limit.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from transform_hub.hub.instances.exit_status import ExitStatus
from transform_hub.models import InstanceStatus, RestartPolicy

_SHORT = re.compile(r"never|(on-failure|always)(:[1-9]\d{0,8})?", re.ASCII)

_MOST_DOUBLINGS = 62
"""A millisecond is longer than anybody waits by then; a row without a limit would double for ever."""


class _Given(RestartPolicy, forbid_unknown_fields=True):
    pass


def policy_of(given: str | dict[str, Any]) -> RestartPolicy:
    """The policy that somebody has asked for, in full or as in ``on-failure:5``.

    Raises:
        ValueError: it is none; the text says what is.
    """
    if isinstance(given, dict):
        return msgspec.convert(given, _Given)
    if not _SHORT.fullmatch(given):
        raise ValueError(f"one of never, on-failure, on-failure:5, always and always:5, not {given!r}")
    policy, _, limit = given.partition(":")
    return msgspec.convert({"policy": policy, "maxRetries": int(limit) if limit else None}, RestartPolicy)


class Restarts:
    """The restarts of one Instance.

    Attributes:
        policy: when there are any.
        count: how many there have been.
        in_a_row: how many of them since a run has lasted.
        next_at: when the next run begins, in ISO 8601; None while there is one, or no other comes.
    """

    def __init__(self, policy: RestartPolicy, count: int = 0, in_a_row: int = 0) -> None:
        self.policy = policy
        self.count = count
        self.next_at: str | None = None
        self.in_a_row = in_a_row

    @property
    def are_possible(self) -> bool:
        """Whether a run may be followed by another."""
        return self.policy.policy != "never"

    def pause(self, during: InstanceStatus, exit_status: ExitStatus, lasted: float) -> float | None:
        """The seconds before the next run, which counts from now on; None if there is no other.

        Args:
            during: what the Instance was doing when its run ended.
            exit_status: how it ended.
            lasted: seconds that it had been there.
        """
        if not self._follows(during, exit_status):
            return None
        policy = self.policy
        if lasted * 1000 >= policy.reset_after:
            self.in_a_row = 0
        if policy.max_retries is not None and self.in_a_row >= policy.max_retries:
            return None
        pause = min(policy.delay << min(self.in_a_row, _MOST_DOUBLINGS), policy.max_delay)
        self.in_a_row += 1
        self.count += 1
        return pause / 1000

    def _follows(self, during: InstanceStatus, exit_status: ExitStatus) -> bool:
        if during not in ("initializing", "starting", "running"):
            return False
        return self.policy.policy == "always" or (
            self.policy.policy == "on-failure" and exit_status.status == "errored"
        )

    def info(self) -> dict[str, Any]:
        """Restart fields of InstanceInfo; empty without a policy."""
        if not self.are_possible:
            return {}
        return {"restarts": self.count, "restart_policy": self.policy, "next_restart": self.next_at}

    def __str__(self) -> str:
        limit = self.policy.max_retries
        return f"restart {self.in_a_row}" + (f" of {limit}" if limit else "")
