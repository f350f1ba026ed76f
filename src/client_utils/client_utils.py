"""Import path of the published package."""

from transform_hub.client.published import ClientUtils

__all__ = ["ClientUtils"]
