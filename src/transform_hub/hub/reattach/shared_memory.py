"""Memory of a file that was made with memfd_create(2), mapped without a descriptor of its own.

``mmap.mmap`` keeps a duplicate of the descriptor for as long as it lives, one per Instance and topic (until its
``trackfd`` of Python 3.13).
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
import weakref

_SIZE, _ADDRESS = ctypes.c_size_t, ctypes.c_void_p
_PROTECTION = mmap.PROT_READ | mmap.PROT_WRITE


@functools.cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = _ADDRESS
    libc.mmap.argtypes = (_ADDRESS, _SIZE, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
    libc.munmap.argtypes = (_ADDRESS, _SIZE)
    libc.madvise.argtypes = (_ADDRESS, _SIZE, ctypes.c_int)
    return libc


def make_memory(name: str, size: int) -> int:
    """The descriptor of a new file of so many bytes.

    Raises:
        OSError: there is none left.
    """
    descriptor = os.memfd_create(name)
    try:
        os.ftruncate(descriptor, size)  # its pages come when they are written
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


class SharedMemory:
    """The whole of a file as memory, for as long as there is a view of it.

    Args:
        descriptor: of the file; it may be closed afterwards.

    Raises:
        OSError: the system has no room for it.
    """

    def __init__(self, descriptor: int) -> None:
        size = os.fstat(descriptor).st_size
        self._address = _libc().mmap(None, size, _PROTECTION, mmap.MAP_SHARED, descriptor, 0)
        if self._address == _ADDRESS(-1).value:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        memory = (ctypes.c_char * size).from_address(self._address)
        weakref.finalize(memory, _libc().munmap, self._address, size).atexit = False  # views may be there until the end
        self.view = memoryview(memory).cast("B")

    def free(self, offset: int, size: int) -> None:
        """Give whole pages back to the system; they are zeros then."""
        _libc().madvise(self._address + offset, size, mmap.MADV_REMOVE)  # where this can't, they are used again later

    def close(self) -> None:
        """Let go of it; parts of it that are in use stay for so long."""
        self.view.release()
