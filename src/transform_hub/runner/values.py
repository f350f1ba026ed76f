"""JSON values read from the lines of an input.

    application/x-ndjson   each line is a value
    application/json       so it is; a line that breaks off begins a document of several lines, which is one value

Blank lines, a byte order mark and CRLF are no part of a value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

DOCUMENT_LIMIT = 64 * 1024 * 1024
"""Characters that a document of several lines may have."""

_SPACE = " \t\r\n"
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_decode = json.JSONDecoder().raw_decode


class ValueReader:
    """Makes values of lines.

    Args:
        documents: whether a document may have several lines.

    Attributes:
        failure: why there are no more values, once a line is not JSON.
        number: of the latest line, counted from 1.
    """

    def __init__(self, *, documents: bool) -> None:
        self.failure: ValueError | None = None
        self.number = 0
        self._documents = documents
        self._document: list[str] = []
        self._size = self._depth = 0

    def feed(self, lines: Iterable[str]) -> list[Any]:
        """The values that are whole with these lines, up to the first line that is not JSON."""
        values: list[Any] = []
        try:
            for line in lines:
                self.number += 1
                if self._document:
                    self._go_on(line, values)
                elif text := line.strip(_SPACE):
                    try:  # a third faster than json.loads
                        value, end = _decode(text)
                    except (ValueError, RecursionError):
                        end = -1
                    if end != len(text):
                        self._begin(line, values)
                    else:
                        values.append(value)
        except ValueError as error:
            self.failure = error
        return values

    def finish(self) -> list[Any]:
        """The document that the end of the input has ended, if there is one."""
        if self.failure is not None or not self._document:
            return []
        try:
            return [self._parse("".join(self._document), self.number - len(self._document) + 1)]
        except ValueError as error:
            self.failure = error
            return []

    def _begin(self, line: str, values: list[Any]) -> None:
        """Read a line that is not a value as it stands: it has a byte order mark, breaks off, or is wrong."""
        text = line.lstrip("\ufeff" + _SPACE).rstrip(_SPACE)
        if not text:
            return
        try:
            values.append(json.loads(text))
        except json.JSONDecodeError as error:
            # No token of JSON spans lines: a document that goes on is right up to the end of this one.
            if not self._documents or error.pos < len(text):
                raise _refusal(error, text, self.number) from None
            self._go_on(text + "\n", values)
        except (ValueError, RecursionError) as error:
            raise _refusal(error, text, self.number) from None

    def _go_on(self, line: str, values: list[Any]) -> None:
        self._document.append(line)
        self._size += len(line)
        bare = _STRING.sub("", line)
        self._depth += bare.count("{") + bare.count("[") - bare.count("}") - bare.count("]")
        first = self.number - len(self._document) + 1
        if self._size > DOCUMENT_LIMIT:
            raise ValueError(f"the document from line {first} of the input has more than {DOCUMENT_LIMIT} characters")
        if self._depth <= 0:
            values.append(self._parse("".join(self._document), first))
            self._document, self._size, self._depth = [], 0, 0

    def _parse(self, text: str, first: int) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise _refusal(error, text, first) from None


def _refusal(error: ValueError | RecursionError, text: str, line: int) -> ValueError:
    """Says which line of the input is not JSON, and why."""
    cause = str(error)
    if isinstance(error, RecursionError):
        cause = "it is nested too deeply"
    elif text.startswith(("\udcff\udcfe", "\udcfe\udcff")):
        cause = "it is UTF-16, JSON has to be UTF-8"
    elif isinstance(error, json.JSONDecodeError):
        line += error.lineno - 1
        found = text[error.pos : error.pos + 1]
        invalid = "\udc80" <= found <= "\udcff"
        cause = f"byte 0x{ord(found) - 0xDC00:02x} is not UTF-8" if invalid else error.msg.removesuffix(" at")
        cause += f" at column {error.colno}"
    return ValueError(f"line {line} of the input is not JSON: {cause}")
