"""Gives runners less of the processor than their Hub, which has to answer however many of them are busy.

Linux shares the processor between sessions first ("autogroups"), and only then between the processes of each by their
niceness. Runners therefore stay in the session of their zygote: all of them together get a share, not each of them.
"""

from __future__ import annotations

import contextlib
import os

NICENESS = 5
"""Of a runner, beside its Hub; on top of the Hub's own. It counts where there are no autogroups, as in containers."""


def begin_group() -> None:
    """Lead a process group, with a lower share of the processor than the Hub's.

    The group shields from Ctrl-C in the Hub's terminal, and lets what this process starts be killed with it.
    """
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
