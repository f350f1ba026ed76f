"""Names, media types and headers of the API: each rule once, for clients, Hub and command lines."""

from __future__ import annotations

import ipaddress
import re
from typing import Literal, get_args

BINARY = "application/octet-stream"
NDJSON = "application/x-ndjson"
MESSAGES = "application/vnd.scramjet.messages"
"""Whole binary messages, each with its length before it: 4 bytes, big-endian."""

TopicType = Literal[
    "application/x-ndjson",
    "text/x-ndjson",
    "text/plain",
    "application/octet-stream",
    "application/vnd.scramjet.messages",
]
TOPIC_TYPES: tuple[TopicType, ...] = get_args(TopicType)
"""What a topic may carry."""

NDJSON_TYPES = (NDJSON, "text/x-ndjson", "application/ndjson")
"""Names of lines of JSON."""

JSON_TYPES = ("application/json", "text/json")
"""Names of one JSON document."""


def media_type(content_type: str) -> str:
    """A content type without its parameters, as it is compared."""
    return content_type.partition(";")[0].strip().lower()


TOPIC_NAME = re.compile(r"[\\a-zA-Z0-9_+-]+")
"""What a topic may be called; the backslash is STH's."""

TOPIC_RULE = r"letters, digits, '_', '+', '-' and '\'"

CONTENT_TYPE = re.compile(r"[\w!#$&^.+-]{1,127}/[\w!#$&^.+-]{1,127}(\s*;[ -~]{0,200})?", re.ASCII)
"""What may be the content type of an output."""

GROUP_NAME = re.compile(r"[a-zA-Z0-9_.+-]{1,100}")
"""What a group of readers may be called."""

GROUP_RULE = "up to 100 letters, digits, '_', '.', '+' and '-'"

OBJECT_ID = re.compile(r"[\w.-]{36}")
"""What may be asked for as the id of a Sequence or Instance."""

ANSWER_AT = "X-Answer-At"
"""Header of an upload: ``end`` asks for no head of an answer before the body has ended."""

END = "X-Stream-End"
"""In the answer to HEAD of a stream that has ended: the position of its end.

In the answer that carries a stream: ``unmarked`` if the connection's end is its only end, which may be a loss.
"""

UNMARKED = "unmarked"

POSITION = "X-Stream-Position"
"""In the answer that carries a stream: the position of its first byte; in a request for one: where to resume.

For input and stdin: in an answer the position of the stream; in a request that writes it the position it must have.
"""

TOTAL_COUNT = "X-Total-Count"
"""In the answer with a list or a part of it: the number of all items."""


def is_loopback(host: str) -> bool:
    """Whether a name or address can mean this machine alone."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
