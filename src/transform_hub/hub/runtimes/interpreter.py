"""How a Python process of our own is started: it imports nothing from the directory that it is started in.

Both ``python -m`` and ``python -c`` look for modules there first. A file ``queue.py`` or ``typing.py`` would be taken
for that of the standard library.
"""

from __future__ import annotations

import sys

_RUN = (
    "import sys; sys.path[:] = filter(None, sys.path); del sys.argv[0]; "
    "import runpy; runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
)


def command(module: str, *arguments: str) -> tuple[str, ...]:
    """The command line that does what ``python -m`` does, but for that."""
    return (sys.executable, "-c", _RUN, module, *arguments)
