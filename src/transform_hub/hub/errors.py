"""API errors: a status and what becomes the JSON body ``{"error": ...}``."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """A request can't be served.

    Args:
        status: the HTTP status.
        error: what the answer's JSON body says under ``error``.
        reason: the HTTP reason phrase where clients of STH expect a special one.
        headers: of the answer.
    """

    def __init__(
        self, status: int, error: Any, *, reason: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.reason = reason
        self.headers = headers


class NoRoomError(ApiError):
    """There is no room for another Instance.

    Args:
        lack: what there is too little of.
    """

    def __init__(self, lack: str) -> None:
        reason = "Insufficient Space on Resource"
        super().__init__(419, f"{reason}: {lack}", reason=reason)
