"""Input is application/octet-stream."""

import zlib

GZIP = zlib.MAX_WBITS | 16  # with gzip's header and checksum


async def run(context, input):
    compressor = zlib.compressobj(wbits=GZIP)
    async for chunk in input:
        yield compressor.compress(chunk)
    yield compressor.flush()
