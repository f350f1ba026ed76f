"""Credentials of a client: a token, a function that returns one, or those of its URL."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from transform_hub.errors import HubTimeoutError

Token = str | Callable[[], str] | Callable[[], Awaitable[str]]


class Credentials:
    """The credentials of one client.

    Args:
        token: sent as bearer token; or a function, sync or async, that returns a fresh one.
        otherwise: value of the header without a token; may be empty.

    Raises:
        TypeError, ValueError: ``token`` is not a token.
    """

    def __init__(self, token: Token | None, otherwise: str) -> None:
        self._token = token if callable(token) else _checked(token or "")
        self._otherwise = otherwise

    @property
    def can_be_fresh(self) -> bool:
        """Whether asking again may give other credentials."""
        return callable(self._token)

    async def header(self, limit: float | None) -> str:
        """Value of the Authorization header; may be empty.

        Args:
            limit: seconds for getting a token.

        Raises:
            HubTimeoutError: the function took too long.
            TypeError, ValueError: it did not return a token.
        """
        token: Any = self._token
        if callable(token):
            token = token()
            token = _checked(await _in_time(token, limit) if inspect.isawaitable(token) else token)
        return f"Bearer {token}" if token else self._otherwise


async def _in_time(token: Awaitable[str], limit: float | None) -> str:
    try:
        return await asyncio.wait_for(token, limit)
    except asyncio.TimeoutError as error:
        raise HubTimeoutError(f"The token function returned nothing within {limit or 0:.3g} s") from error


def _checked(token: object) -> str:
    """A token as it is sent.

    Raises:
        TypeError: it is not a str.
        ValueError: a header can't hold it; the error does not show it.
    """
    if not isinstance(token, str):
        raise TypeError(f"token must be a str, or a function that returns one, not {type(token).__name__}")
    token = token.strip()
    if not token.isprintable():
        raise ValueError("token must be one line of printable characters")
    return token
