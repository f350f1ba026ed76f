"""What the end of a runner amounts to.

said by the runner     being killed    process ended by    status      exit code, reason
exit 0, 137, 138       -               -                   completed   that code (with an error: errored)
exit n                 -               -                   errored     that code
nothing                yes             anything            completed   137 Instance killed
nothing                no              signal n            errored     128+n Runner killed by <signal>, or: <limit>
nothing                no              exit 0              completed   0 (os._exit in the Sequence)
nothing                no              exit n, unknown     errored     n or 213 Runner failed
nothing                no              its machine lost    errored     213 Runner failed: its machine is gone
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any, NamedTuple

from transform_hub import protocol
from transform_hub.hub.instances.messages import LastWord
from transform_hub.hub.runtimes.runtime import Exit
from transform_hub.models import InstanceStatus, Terminated

_GOOD = (protocol.EXIT_OK, protocol.EXIT_KILLED, protocol.EXIT_STOPPED)


class ExitStatus(NamedTuple):
    """How an Instance has ended."""

    status: InstanceStatus
    terminated: Terminated
    error: str | None = None


KILLED = ExitStatus(
    "completed", Terminated(exitcode=protocol.EXIT_KILLED, reason=protocol.EXIT_REASONS[protocol.EXIT_KILLED])
)


def exit_status(
    exit_: Exit, said: LastWord | None, *, killing: bool, limits: Mapping[str, Any] | None = None
) -> ExitStatus:
    """How an Instance has ended, by what its runtime and its runner's last message say."""
    if said is not None:
        return _by_code(said.code, said.error)
    if killing:
        return KILLED
    if exit_.signal is not None:
        words = _killed_by(exit_, limits or {})
        return ExitStatus("errored", Terminated(exitcode=128 + exit_.signal, reason=words), words)
    if exit_.code == protocol.EXIT_OK:
        return _by_code(protocol.EXIT_OK)
    code = protocol.EXIT_RUNNER_FAILED if exit_.code is None else exit_.code
    reason = protocol.EXIT_REASONS[protocol.EXIT_RUNNER_FAILED]
    why = "the machine that it ran on is gone" if exit_.lost else "it ended without a word"
    return ExitStatus("errored", Terminated(exitcode=code, reason=reason), f"{reason}: {why}")


def _by_code(code: int, error: str | None = None) -> ExitStatus:
    if code in _GOOD and error is not None:  # sys.exit(137) of a Sequence is not a kill
        return ExitStatus(
            "errored", Terminated(exitcode=code, reason=protocol.EXIT_REASONS[protocol.EXIT_FAILED]), error
        )
    reason = protocol.EXIT_REASONS.get(code, protocol.EXIT_REASONS[protocol.EXIT_FAILED])
    status: InstanceStatus = "completed" if code in _GOOD else "errored"
    return ExitStatus(status, Terminated(exitcode=code, reason=reason), error)


def _killed_by(exit_: Exit, limits: Mapping[str, Any]) -> str:
    number = exit_.signal or 0
    if number == signal.SIGXCPU and limits.get("cpu"):
        return f"Runner killed: CPU time limit of {limits['cpu']} s"
    without_memory = exit_.out_of_memory or number in (signal.SIGABRT, signal.SIGTRAP)  # these are Node.js's ways
    if without_memory and limits.get("memory"):
        return f"Runner killed: memory limit of {limits['memory']:g} MB"
    return f"Runner killed by {_signal_name(number)}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most real-time signals have none
        return f"signal {number}"
