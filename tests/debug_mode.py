"""What programs say that run with ``-X dev``."""


def complaints(stderr):
    """All of it, but for asyncio's notes on slow steps, which say that the machine is busy."""
    return "".join(line for line in stderr.splitlines(keepends=True) if not line.startswith("Executing <"))
