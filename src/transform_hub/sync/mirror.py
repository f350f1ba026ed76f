"""The base of all sync objects: each mirrors an async one, and runs its coroutines in the portal."""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, TypeVar

from transform_hub.client.decoders import Decoder
from transform_hub.client.writer import Writer
from transform_hub.errors import StreamError
from transform_hub.sync.portal import can_run, keep_for_ever, post, run

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing since 3.11

P = ParamSpec("P")
T = TypeVar("T")

_CLASSES: dict[type, type[Mirror]] = {}
_MIRRORS: weakref.WeakValueDictionary[int, Mirror] = weakref.WeakValueDictionary()
"""By the id of the async object: one mirror each, as long as it is referenced."""


class Mirror:
    """Mirrors an async object.

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
        """The mirror of an async object."""
        made = cls.__new__(cls)
        made._stand_for(native)
        return made

    def _run(self, function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **options: P.kwargs) -> T:
        return run(function, *args, **options)

    def _leave(self, function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **options: P.kwargs) -> T | None:
        """Run what closes; not in the portal's thread, where the garbage collector may call it and nothing can wait."""
        return self._run(function, *args, **options) if can_run() else None


class MirroredStream(Mirror):
    """Mirrors an async stream; one that is dropped without close() is closed in the portal's thread."""

    def _stand_for(self, native: Any) -> None:
        super()._stand_for(native)
        self._process = os.getpid()
        weakref.finalize(self, _drop, native, self._process).atexit = False

    def _run(self, function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **options: P.kwargs) -> T:
        if self._process != os.getpid():
            raise RuntimeError("This stream was opened before the fork: open a new one in the child process")
        return super()._run(function, *args, **options)

    def _leave(self, function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **options: P.kwargs) -> T | None:
        return super()._leave(function, *args, **options) if self._process == os.getpid() else None


class MirroredReadable(MirroredStream):
    """Mirrors an async stream that can be read; items are decoded in the caller's thread."""

    def _decoded(self, decoder: Decoder[T]) -> Iterator[T | Any]:
        with self:  # type: ignore[attr-defined] # the generated class has the rest
            while chunk := self._run(self._async._next):
                if isinstance(chunk, bytes):
                    yield from decoder.feed(chunk)
                else:
                    yield replace(chunk, partial=decoder.cut())
            yield from decoder.finish()

    def _error(self, message: str) -> StreamError:
        error: StreamError = self._async._error(message)
        return error


def mirror(native: Any) -> Any:
    """The mirror of an async object, or of each in a list."""
    if isinstance(native, list):
        return [mirror(each) for each in native]
    if native is None:
        return None
    return _MIRRORS.get(id(native)) or _CLASSES[type(native)]._of(native)


def original(mirrored: Any) -> Any:
    """The async object behind a mirror; anything else is returned as it is."""
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
        asyncio.ensure_future(native.close())  # noqa: RUF006 - it never waits


async def called(function: Callable[..., T], *args: Any, **options: Any) -> T:
    """Call a function in the portal's thread."""
    return function(*args, **options)
