"""The REST API v1 over HTTP: routes, bodies, streams, connections."""
