"""Import path of the published package."""

from transform_hub.client.published import SequenceClient

__all__ = ["SequenceClient"]
