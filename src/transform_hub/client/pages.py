"""Long lists, which a Manager sends page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator
from typing import Any, Generic, TypeVar

from transform_hub.client.transport import Transport

T = TypeVar("T")

PAGE = 100
"""Items per request: a Manager that is asked for more ignores offset and limit."""


class Pages(Generic[T]):
    """A list that comes page by page: await it for all of it, or iterate over it.

    The list may change between two requests.

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
            raise ValueError(f"offset must be 0 or more and limit 1 or more, not {offset} and {limit}")
        self.transport = transport
        self.path = path
        self.page_type: Any = list[item]  # type: ignore[valid-type]
        self.offset = offset
        self.limit = limit

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.transport.base}{self.path}>"

    def __await__(self) -> Generator[Any, None, list[T]]:
        return self._all().__await__()

    async def __aiter__(self) -> AsyncIterator[T]:
        walk = _Walk(self)
        while page := await walk.next():
            for item in page:
                yield item

    async def _all(self) -> list[T]:
        return [item async for item in self]


class _Walk(Generic[T]):
    """One way through a list."""

    def __init__(self, pages: Pages[T]) -> None:
        self._pages = pages
        self._taken = 0
        self._before: list[T] | None = None
        self._is_over = False

    async def next(self) -> list[T]:
        """The next items; empty at the end."""
        pages, offset, limit = self._pages, self._pages.offset, self._pages.limit
        size = min(PAGE, PAGE if limit is None else limit - self._taken)
        if self._is_over or not size:
            return []
        path = f"{pages.path}?offset={offset + self._taken}&limit={size}"
        page: list[T] = await pages.transport.call("GET", path, pages.page_type)
        if page == self._before:
            return []  # a server without pages sends the same again
        if len(page) > size:
            page = page[offset:][:limit]  # or everything at once
        self._is_over = len(page) != size
        self._taken, self._before = self._taken + size, page
        return page
