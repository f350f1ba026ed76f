"""Long lists, of which a Manager tells a page at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator
from typing import Any, Generic, TypeVar

from transform_hub.client.transport import Transport

T = TypeVar("T")

PAGE = 100
"""Items that a Manager tells at most. Beyond it, it ignores offset and limit without a word."""


class Pages(Generic[T]):
    """A list that comes page by page: await it to have all of it, or iterate over it.

    The items are those at the time of each request; the list may change in between.

    Args:
        transport: carries the calls.
        path: of the list, below the API's base.
        item: type of an item.
        offset: items to skip.
        limit: items at most; None is no limit.

    Raises:
        ValueError: offset is negative, or limit less than 1.

    Example:
        >>> hubs = await manager.list_hosts()
        >>> async for hub in manager.list_hosts():
        ...     print(hub.id)
    """

    def __init__(
        self, transport: Transport, path: str, item: type[T], *, offset: int = 0, limit: int | None = None
    ) -> None:
        if offset < 0 or (limit is not None and limit < 1):
            raise ValueError(f"offset is 0 or more and limit 1 or more, not {offset} and {limit}")
        self._transport = transport
        self._path = path
        self._page_type: Any = list[item]  # type: ignore[valid-type]
        self._offset = offset
        self._limit = limit

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._transport.base}{self._path}>"

    def __await__(self) -> Generator[Any, None, list[T]]:
        return self._all().__await__()

    async def __aiter__(self) -> AsyncIterator[T]:
        taken, before = 0, None
        while size := min(PAGE, PAGE if self._limit is None else self._limit - taken):
            page = await self._page(self._offset + taken, size)
            if page == before:
                return  # a server that does not page tells the same again
            if len(page) > size:
                page = page[self._offset :][: self._limit]  # or all at once
            for item in page:
                yield item
            if len(page) != size:
                return
            taken, before = taken + size, page

    async def _all(self) -> list[T]:
        return [item async for item in self]

    async def _page(self, offset: int, size: int) -> list[T]:
        path = f"{self._path}?offset={offset}&limit={size}"
        page: list[T] = await self._transport.call("GET", path, self._page_type)
        return page
