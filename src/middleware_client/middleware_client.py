"""Import path of the published package."""

from transform_hub.client.published import MiddlewareClient

__all__ = ["MiddlewareClient"]
