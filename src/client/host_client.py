"""Import path of the published package."""

from transform_hub.client.published import HostClient

__all__ = ["HostClient"]
