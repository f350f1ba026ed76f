"""Adds to each order what a service knows about its customer.

Input and output are application/x-ndjson. Up to 64 requests run at once, and the orders keep their order.

    config    {"service": URL, "tries": 5}
    secrets   SERVICE_TOKEN, if the service wants one
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from transform_hub import Context, Input

Order = dict[str, Any]

PAUSE = 0.1
"""Seconds before the second try; twice as long before each further one."""


class Service:
    """The customers, over HTTP."""

    def __init__(self, client: httpx.AsyncClient, context: Context) -> None:
        self._client = client
        self._logger = context.logger
        self._tries: int = context.config.get("tries", 5)

    async def enrich(self, order: Order) -> Order:
        try:
            response = await self._get(f"customers/{order['customer']}")
        except httpx.HTTPError as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
            self._logger.warning("Order %s: %s", order["order"], reason)
            return {**order, "error": reason}
        return {**order, **response.json()}

    async def _get(self, path: str) -> httpx.Response:
        """Try again what may pass: no connection, no answer, 429 and 5xx."""
        for tried in range(1, self._tries + 1):
            try:
                response = await self._client.get(path)
                response.raise_for_status()
            except httpx.HTTPError as error:
                if tried == self._tries or not is_temporary(error):
                    raise
                self._logger.debug("Try %s of %s: %s", tried, path, error)
            else:
                return response
            await asyncio.sleep(PAUSE * 2 ** (tried - 1))
        raise ValueError("tries must be 1 or more")


def is_temporary(error: httpx.HTTPError) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code == 429 or error.response.is_server_error
    return isinstance(error, httpx.TransportError)


async def run(context: Context, input: Input[Order]) -> AsyncIterator[Order]:
    token = context.secrets.get("SERVICE_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(base_url=context.config["service"], headers=headers, timeout=10) as client:
        async for order in input.map(Service(client, context).enrich):
            yield order
