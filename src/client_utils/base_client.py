"""Import path of the published package."""

from transform_hub.client.published import BaseClient

__all__ = ["BaseClient"]
