"""The platform of a profile: its Spaces, and their Hubs.

``middlewareApiUrl`` of the profile is its URL. The Space and the Hub in use are remembered for the shell session; the
first command takes the first Space, and its first healthy Hub.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from transform_hub.cli import session
from transform_hub.cli.exits import NOT_FOUND, CommandError
from transform_hub.cli.output import note
from transform_hub.cli.settings import settings
from transform_hub.profile import Profile

if TYPE_CHECKING:
    from transform_hub.client.manager import ManagerClient
    from transform_hub.client.middleware import MiddlewareClient

T = TypeVar("T")


@asynccontextmanager
async def platform() -> AsyncIterator[MiddlewareClient]:
    """A client of the platform.

    Raises:
        CommandError: the profile has none.
    """
    from transform_hub.client.middleware import MiddlewareClient

    profile = Profile.load(settings.profile, path=settings.profile_path)
    if not profile.middleware_api_url:
        raise CommandError(
            f"profile {profile.name!r} has no platform: `si config set middlewareApiUrl URL`, and "
            "`si config set token JWT`"
        )
    async with MiddlewareClient(profile.middleware_api_url, token=profile.token or None) as client:
        yield client


def with_platform(action: Callable[[MiddlewareClient], Awaitable[T]]) -> T:
    """Run ``action`` with a client of the platform."""

    async def run() -> T:
        async with platform() as client:
            return await action(client)

    return asyncio.run(run())


def with_space(action: Callable[[ManagerClient], Awaitable[T]]) -> T:
    """Run ``action`` with the client of the Manager of the Space in use."""

    async def run(client: MiddlewareClient) -> T:
        return await action(client.manager(await chosen_space(client)))

    return with_platform(run)


async def chosen_space(client: MiddlewareClient) -> str:
    """Id of the Space in use.

    Raises:
        CommandError: the token gives access to none.
    """
    if chosen := session.remembered("space"):
        return chosen
    spaces = [space.id for space in await client.list_spaces()]
    if not spaces:
        raise CommandError("the token gives access to no Space", code=NOT_FOUND)
    session.remember("space", spaces[0])
    note(f"Space: {spaces[0]}")
    return spaces[0]


async def chosen_hub(client: MiddlewareClient) -> tuple[str, str]:
    """Ids of the Space and the Hub in use.

    Raises:
        CommandError: there is none.
    """
    space = await chosen_space(client)
    if chosen := session.remembered("hub"):
        return space, chosen
    async for hub in client.manager(space).list_hosts():
        if hub.healthy:
            session.remember("hub", hub.id)
            note(f"Hub: {hub.id}")
            return space, hub.id
    raise CommandError(f"no Hub in Space {space} is healthy: see `si hub list`", code=NOT_FOUND)


async def hub_url() -> str:
    """URL of the Hub in use."""
    async with platform() as client:
        space, hub = await chosen_hub(client)
    return Profile.load(settings.profile, path=settings.profile_path).hub_url(space, hub)
