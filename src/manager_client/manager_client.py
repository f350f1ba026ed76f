"""Import path of the published package."""

from transform_hub.client.published import ManagerClient

__all__ = ["ManagerClient"]
