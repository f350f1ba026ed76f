"""Import path of the published package."""

from transform_hub.client.published import MultiManagerClient

__all__ = ["MultiManagerClient"]
