"""How a content type turns bytes into items, and text into bytes.

    content type            input gives                      output takes
    text/*                  str, one line each, with its     str, bytes; other values become JSON lines
                            newline
    application/x-ndjson,   values, one per line of JSON     any JSON value, one per line
    application/json        (json: or one of several lines)
    application/vnd.        bytes, a whole message each      bytes, a message each
    scramjet.messages
    anything else           bytes as they come, <= 256 KiB   bytes, str; other values become JSON lines

Text is UTF-8. Invalid bytes become lone surrogates, so they leave a text Sequence as they came in.
"""

from __future__ import annotations

import codecs

from transform_hub.messages import MESSAGES

RAW = "transform_hub.raw"
"""Error handler of encoders: a lone surrogate that stands for a byte becomes that byte, any other an escape."""


def _encode_surrogates(error: UnicodeError) -> tuple[bytes, int]:
    assert isinstance(error, UnicodeEncodeError)
    codes = [ord(letter) for letter in error.object[error.start : error.end]]
    raw = (bytes([code - 0xDC00]) if 0xDC80 <= code <= 0xDCFF else b"\\u%04x" % code for code in codes)
    return b"".join(raw), error.end


codecs.register_error(RAW, _encode_surrogates)


def is_text(content_type: str) -> bool:
    return content_type.lower().startswith("text/") and not is_json(content_type)


def is_json(content_type: str) -> bool:
    return is_document(content_type) or media_type(content_type) in (
        "application/x-ndjson",
        "application/ndjson",
        "text/x-ndjson",
    )


def is_messages(content_type: str) -> bool:
    return media_type(content_type) == MESSAGES


def is_document(content_type: str) -> bool:
    """Whether it is a type whose values may span lines."""
    return media_type(content_type) == "application/json"


def media_type(content_type: str) -> str:
    """A content type without its parameters."""
    return content_type.partition(";")[0].strip().lower()
