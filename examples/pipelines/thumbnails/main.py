"""Makes thumbnails of the images of topic `photos`, and gives them to topic `thumbnails`.

Both topics carry whole messages, an image each. The answer to what Pillow can't read is an empty message.

    args     [edge]    the longer edge of a thumbnail, in pixels (default 96)
"""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from transform_hub import Context, Input, Stream

requires = {"requires": "photos", "contentType": "application/vnd.scramjet.messages"}
provides = {"provides": "thumbnails", "contentType": "application/vnd.scramjet.messages"}


def thumbnail(data: bytes, edge: int) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        image.thumbnail((edge, edge))
        small = io.BytesIO()
        image.save(small, "PNG")
    return small.getvalue()


def run(context: Context, input: Input[bytes], edge: int = 96) -> Stream[bytes]:
    async def shrink(photo: bytes) -> bytes:
        try:
            # Pillow lets other threads work, so several images are made smaller at once.
            return await asyncio.to_thread(thumbnail, photo, edge)
        except Exception as error:  # noqa: BLE001 - broken images make Pillow raise nearly anything
            context.logger.warning("Of %s bytes: %s", len(photo), error)
            return b""

    return input.map(shrink)
