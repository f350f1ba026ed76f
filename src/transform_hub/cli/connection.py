"""The Hub that a command talks to."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, TypeVar

from transform_hub.cli.exits import CommandError
from transform_hub.cli.settings import settings
from transform_hub.errors import ProfileError
from transform_hub.profile import Connection, Profile

if TYPE_CHECKING:
    from transform_hub.client.host import HostClient

T = TypeVar("T")


@asynccontextmanager
async def hub() -> AsyncIterator[HostClient]:
    """A client of the Hub that the command line names, else the environment, else the profile."""
    found = await _found()
    with _few_certificates(found.url):
        from transform_hub.client.host import HostClient

    try:
        client = HostClient(found.url, token=found.token or None)
    except ValueError as error:
        raise CommandError(str(error)) from None
    async with client:
        yield client


async def _found() -> Connection:
    """URL and token; in production the platform is asked for the Hub, if nothing else names it."""
    try:
        return Connection.find(settings.profile, path=settings.profile_path)
    except ProfileError:
        current = profile()
        if not (current.is_production and current.middleware_api_url):
            raise
    from transform_hub.cli.platform import hub_url

    return Connection(await hub_url(), current.token)


@contextmanager
def _few_certificates(url: str) -> Iterator[None]:
    """Keep aiohttp from loading the system's certificates when it is imported.

    That takes as long as the rest of the import, and plain http needs none. A redirect from http to https fails then.
    """
    before = os.environ.get("SSL_CERT_FILE")
    if url.startswith("http:"):
        os.environ["SSL_CERT_FILE"] = os.devnull
    try:
        yield
    finally:
        os.environ.pop("SSL_CERT_FILE", None)
        if before is not None:
            os.environ["SSL_CERT_FILE"] = before


def profile() -> Profile:
    """The profile of this command line."""
    return Profile.load(settings.profile, path=settings.profile_path)


def with_hub(action: Callable[[HostClient], Awaitable[T]]) -> T:
    """Run ``action`` with a client of the Hub."""

    async def run() -> T:
        async with hub() as client:
            return await action(client)

    return asyncio.run(run())
