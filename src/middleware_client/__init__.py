"""Import paths of the published package; see :mod:`transform_hub.client` for the clients themselves."""
