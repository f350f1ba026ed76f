"""Input is application/octet-stream."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transform_hub import Context, Input

GZIP = zlib.MAX_WBITS | 16  # with gzip's header and checksum


async def run(context: Context, input: Input[bytes]) -> AsyncIterator[bytes]:
    compressor = zlib.compressobj(wbits=GZIP)
    async for chunk in input:
        yield compressor.compress(chunk)
    yield compressor.flush()
