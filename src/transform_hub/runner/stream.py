"""``Stream`` and ``Input``: the framework's classes, with the runner's operators. Their types are in ``stream.pyi``."""

from scramjet.pyfca import DropChunk
from scramjet.streams import Stream, StringStream

from transform_hub.runner import operators

__all__ = ["DropChunk", "Input", "Stream"]

operators.install()


class Input(StringStream):
    """The stream that ``run`` is given."""
