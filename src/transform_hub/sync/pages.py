"""Long lists, which a Manager sends page by page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic

from transform_hub.client import pages as native
from transform_hub.client.pages import T
from transform_hub.sync.mirror import Mirror


class Pages(Mirror, Generic[T], of=native.Pages):
    """A list that comes page by page: iterate over it, or make a list of it.

    The list may change between two requests.

    Example:
        >>> hubs = list(manager.list_hosts())
        >>> for hub in manager.list_hosts():
        ...     print(hub.id)
    """

    _async: native.Pages[T]

    def __iter__(self) -> Iterator[T]:
        walk = native._Walk(self._async)
        while page := self._run(walk.next):
            yield from page
