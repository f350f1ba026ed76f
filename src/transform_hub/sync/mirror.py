"""What sync objects have in common: each stands for an async one and runs its coroutines in the portal."""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, TypeVar

from transform_hub.client.writer import Writer
from transform_hub.sync.portal import can_run, keep_for_ever, post, run

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing since 3.11

P = ParamSpec("P")
T = TypeVar("T")

_CLASSES: dict[type, type[Mirror]] = {}
_MIRRORS: weakref.WeakValueDictionary[int, Mirror] = weakref.WeakValueDictionary()
"""By the id of the async object: there is one mirror of it, as long as somebody has it."""


class Mirror:
    """Stands for an async object.

    Args:
        of: the class of that object.
    """

    _native_class: ClassVar[Any]
    _async: Any

    def __init_subclass__(cls, *, of: type | None = None, **options: Any) -> None:
        super().__init_subclass__(**options)
        if of is not None:
            cls._native_class = of
            _CLASSES[of] = cls

    def _stand_for(self, native: Any) -> None:
        self._async = native
        _MIRRORS[id(native)] = self

    def __repr__(self) -> str:
        return repr(self._async)

    def __eq__(self, other: object) -> bool:
        return self._async == other._async if isinstance(other, Mirror) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._async)

    @classmethod
    def _of(cls, native: Any) -> Self:
        """The mirror of an object that was made by the async class."""
        made = cls.__new__(cls)
        made._stand_for(native)
        return made

    def _run(self, function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **options: P.kwargs) -> T:
        return run(function, *args, **options)

    def _leave(self, function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **options: P.kwargs) -> T | None:
        """Run what closes; not where nothing can be waited for, which is where garbage may be collected."""
        return self._run(function, *args, **options) if can_run() else None


class MirroredStream(Mirror):
    """Stands for an async stream; closes it in the portal's thread when it is dropped without closing."""

    def _stand_for(self, native: Any) -> None:
        super()._stand_for(native)
        self._process = os.getpid()
        weakref.finalize(self, _drop, native, self._process).atexit = False

    def _run(self, function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **options: P.kwargs) -> T:
        if self._process != os.getpid():
            raise RuntimeError("The stream belongs to the process that this one was forked from: open it anew here")
        return super()._run(function, *args, **options)

    def _leave(self, function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **options: P.kwargs) -> T | None:
        return super()._leave(function, *args, **options) if self._process == os.getpid() else None


def mirror(native: Any) -> Any:
    """The sync object for an async one; also for each in a list."""
    if isinstance(native, list):
        return [mirror(each) for each in native]
    if native is None:
        return None
    return _MIRRORS.get(id(native)) or _CLASSES[type(native)]._of(native)


def original(mirrored: Any) -> Any:
    """The async object that a sync one stands for; anything else is as it is."""
    return mirrored._async if isinstance(mirrored, Mirror) else mirrored


def _drop(native: Any, process: int) -> None:
    if process != os.getpid():
        keep_for_ever(native)
    else:
        post(lambda: _close(native))


def _close(native: Any) -> None:
    if isinstance(native, Writer):
        native.abort()
    else:
        asyncio.ensure_future(native.close())  # noqa: RUF006 - it does not wait for anything


async def called(function: Callable[..., T], *args: Any, **options: Any) -> T:
    """Call a function in the portal's thread."""
    return function(*args, **options)
