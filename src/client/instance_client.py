"""Import path of the published package."""

from transform_hub.client.published import InstanceClient

__all__ = ["InstanceClient"]
