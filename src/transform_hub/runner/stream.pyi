"""The types of ``Stream`` and ``Input``: the framework ships none. A test compares them with the operators."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, overload

from typing_extensions import Self, TypeIs, TypeVarTuple, Unpack

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)
U = TypeVar("U")
R = TypeVar("R")
S = TypeVar("S", bound=Stream[Any])
W = TypeVar("W", bound=_Writable[Any])
Args = TypeVarTuple("Args")

# Overloads for plain functions take async ones as well: where an item has `Any` in it, both match, and pyright gives up
# if their results differ. mypy needs those for async functions.
_Later: TypeAlias = Coroutine[Any, Any, T]

class DropChunk:
    """Returned by a function of ``map``, it leaves the item out."""

class _Writable(Protocol[T_contra]):
    def write(self, chunk: T_contra, /) -> object: ...

class _Readable(Protocol[T_co]):
    def read(self, size: int, /) -> T_co | _Later[T_co]: ...

class Stream(Generic[T_co]):
    """Items that come one after the other. Operators make a new Stream; each Stream is consumed once.

    Functions given to operators may be async, except that of ``batch``. Arguments after the function go to it.
    """

    name: str
    def __init__(
        self,
        max_parallel: int = 64,
        upstream: Stream[Any] | None = None,
        origin: Stream[Any] | None = None,
        name: str = "datastream",
    ) -> None: ...

    # --- sources

    @overload
    @classmethod
    def read_from(cls, source: Iterable[U] | AsyncIterable[U], max_parallel: int = 64) -> Stream[U]:
        """A Stream of the items of an iterable; or of pieces of ``chunk_size`` of what has ``read``."""
    @overload
    @classmethod
    def read_from(cls, source: _Readable[U], max_parallel: int = 64, *, chunk_size: int) -> Stream[U]: ...
    @classmethod
    def from_iterable(cls, iterable: Iterable[U] | AsyncIterable[U], max_parallel: int = 64) -> Stream[U]:
        """A Stream of the items of an iterable."""
    @overload
    @classmethod
    def from_callback(
        cls, max_parallel: int, callback: Callable[[Unpack[Args]], _Later[U]], *args: Unpack[Args]
    ) -> Stream[U]:
        """A Stream of what a function returns, call after call, until that is empty."""
    @overload
    @classmethod
    def from_callback(
        cls, max_parallel: int, callback: Callable[[Unpack[Args]], _Later[U] | U], *args: Unpack[Args]
    ) -> Stream[U]: ...

    # --- operators

    @overload
    def map(self, func: Callable[[T_co], _Later[U | type[DropChunk]]]) -> Stream[U]:
        """Put what ``func(item)`` returns in the place of each item; ``DropChunk`` leaves it out."""
    @overload
    def map(self, func: Callable[[T_co], _Later[U | type[DropChunk]] | U | type[DropChunk]]) -> Stream[U]: ...
    @overload
    def map(
        self, func: Callable[[T_co, Unpack[Args]], _Later[U | type[DropChunk]]], *args: Unpack[Args]
    ) -> Stream[U]: ...
    @overload
    def map(
        self,
        func: Callable[[T_co, Unpack[Args]], _Later[U | type[DropChunk]] | U | type[DropChunk]],
        *args: Unpack[Args],
    ) -> Stream[U]: ...
    @overload
    def filter(self, func: Callable[[T_co], TypeIs[U]]) -> Stream[U]:
        """Keep the items for which ``func(item)`` is true."""
    @overload
    def filter(self, func: Callable[[T_co, Unpack[Args]], object], *args: Unpack[Args]) -> Stream[T_co]: ...
    @overload
    def each(self, func: Callable[[T_co], object]) -> Stream[T_co]:
        """Call ``func(item)`` for each item, and leave the items as they are."""
    @overload
    def each(self, func: Callable[[T_co, Unpack[Args]], object], *args: Unpack[Args]) -> Stream[T_co]: ...
    @overload
    def flatmap(self, func: Callable[[T_co, Unpack[Args]], _Later[Iterable[U]]], *args: Unpack[Args]) -> Stream[U]:
        """Put all items that ``func(item)`` returns in the place of each item."""
    @overload
    def flatmap(
        self, func: Callable[[T_co, Unpack[Args]], _Later[Iterable[U]] | Iterable[U]], *args: Unpack[Args]
    ) -> Stream[U]: ...
    @overload
    def batch(self, func: int) -> Stream[list[T_co]]:
        """Lists of a number of items, or lists that end with the item for which ``func(item)`` is true."""
    @overload
    def batch(self, func: Callable[[T_co, Unpack[Args]], bool], *args: Unpack[Args]) -> Stream[list[T_co]]: ...
    @overload
    def window(self, seconds: float, count: int | None = None) -> Stream[list[T_co]]:
        """Lists of the items that came within ``seconds`` of the first, or of ``count`` items: whatever comes first."""
    @overload
    def window(self, seconds: None = None, *, count: int) -> Stream[list[T_co]]: ...
    @overload
    def sequence(
        self, sequencer: Callable[[U, T_co], Iterable[U] | _Later[Iterable[U]]], initialPartial: U
    ) -> Stream[U]:
        """Cut items anew: the last of what ``sequencer(partial, item)`` returns is the partial of the next call."""
    @overload
    def sequence(self, sequencer: Callable[[U | None, T_co], Iterable[U] | _Later[Iterable[U]]]) -> Stream[U]: ...
    def decode(self: Stream[bytes], encoding: str) -> Stream[str]:
        """Text of bytes; a character may be split between items."""
    @overload
    def parse(self: Stream[str], func: Callable[[str, Unpack[Args]], _Later[U]], *args: Unpack[Args]) -> Stream[U]:
        """As ``map``."""
    @overload
    def parse(
        self: Stream[str], func: Callable[[str, Unpack[Args]], _Later[U] | U], *args: Unpack[Args]
    ) -> Stream[U]: ...
    def match(self: Stream[str], pattern: str) -> Stream[str]:
        """What matches a regular expression: the groups if it has some."""
    def split(self: Stream[str], separator: str | None = None) -> Stream[str]:
        """What is between the separators, or between white space; items are joined before."""
    def use(self, func: Callable[[Self], R]) -> R:
        """What ``func(stream)`` returns."""
    def pipe(self, target: S, end: bool = True) -> S:
        """Write all items to another Stream, and end that if ``end``. A Stream may be piped to several."""
    def unpipe(self, target: Stream[Any] | None = None) -> Self:
        """Write no more items to a Stream."""

    # --- results

    def __aiter__(self) -> AsyncIterator[T_co]: ...
    async def __anext__(self) -> T_co: ...
    async def read(self) -> T_co | None:
        """The next item; None at the end."""
    async def to_list(self) -> list[T_co]:
        """All items."""
    @overload
    async def reduce(self, func: Callable[[U, T_co], _Later[U]], initial: U) -> U:
        """Apply ``func(result, item)`` to each item; without ``initial`` the first item is the first result."""
    @overload
    async def reduce(self, func: Callable[[U, T_co], U], initial: U) -> U: ...
    @overload
    async def reduce(self: Stream[U], func: Callable[[U, U], _Later[U]]) -> U | None: ...
    @overload
    async def reduce(self: Stream[U], func: Callable[[U, U], U]) -> U | None: ...
    async def write_to(self, target: W) -> W:
        """Call ``target.write(item)`` for each item."""

    # --- writing

    def write(self, chunk: Any) -> asyncio.Future[None]:
        """Write an item to the Stream that this one begins with; await the result to wait for room."""
    def end(self) -> None:
        """Say that no more will be written."""

class Input(Stream[T_co]):
    """The Stream that ``run`` is given: str for text, bytes for binary content, any JSON value for ndjson."""

    @overload
    @classmethod
    def read_from(cls, source: Iterable[U] | AsyncIterable[U], max_parallel: int = 64) -> Input[U]: ...
    @overload
    @classmethod
    def read_from(cls, source: _Readable[U], max_parallel: int = 64, *, chunk_size: int) -> Input[U]: ...
