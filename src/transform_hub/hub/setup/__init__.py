"""How a Hub is configured and started as a service."""
