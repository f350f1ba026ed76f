"""Names, media types and headers of the API: each rule once, for clients, Hub and command lines."""

from __future__ import annotations

import ipaddress
import re

BINARY = "application/octet-stream"
NDJSON = "application/x-ndjson"
TOPIC_TYPES = (NDJSON, "text/x-ndjson", "text/plain", BINARY)
"""What a topic may carry."""

TOPIC_NAME = re.compile(r"[\\a-zA-Z0-9_+-]+")
"""What a topic may be called; the backslash is STH's."""

OBJECT_ID = re.compile(r"[\w.-]{36}")
"""What the id of a Sequence or Instance may be that somebody asks for."""

POSITION = "X-Stream-Position"
"""Of the answer that carries a stream: the position of its first byte; of a request for one: where to go on.

Of input and stdin: where the stream is; of a request that writes it: where it has to be.
"""


def is_loopback(host: str) -> bool:
    """Whether a name or address can mean this machine alone."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
