"""Long lists, of which a Manager tells a page at a time.

Made by tools/make_sync of transform_hub.client.pages: edit that, and run ``make sync``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic

from transform_hub.client import pages as native
from transform_hub.client.pages import PAGE, T
from transform_hub.sync.mirror import Mirror


class Pages(Mirror, Generic[T], of=native.Pages):
    """A list that comes page by page: iterate over it, or make a list of it.

    The items are those at the time of each request; the list may change in between.

    Raises:
        ValueError: offset is negative, or limit less than 1.

    Example:
        >>> hubs = manager.list_hosts()
        >>> for hub in manager.list_hosts():
        ...     print(hub.id)
    """

    _async: native.Pages[T]

    def __iter__(self) -> Iterator[T]:
        taken, before = (0, None)
        while size := min(PAGE, PAGE if self._async._limit is None else self._async._limit - taken):
            page = self._run(self._async._page, self._async._offset + taken, size)
            if page == before:
                return
            if len(page) > size:
                page = page[self._async._offset :][: self._async._limit]
            yield from page
            if len(page) != size:
                return
            taken, before = (taken + size, page)
