"""Makes thumbnails of the images of topic `photos`, and gives them to topic `thumbnails`.

Both are application/x-ndjson: {"name": "pond.png", "image": base64}. What Pillow can't read goes out with an error.

    args     [edge]    the longer edge of a thumbnail, in pixels (default 96)
"""

from __future__ import annotations

import asyncio
import base64
import io
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from transform_hub import Context, Input, Stream

requires = {"requires": "photos", "contentType": "application/x-ndjson"}
provides = {"provides": "thumbnails", "contentType": "application/x-ndjson"}


def thumbnail(data: bytes, edge: int) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        image.thumbnail((edge, edge))
        small = io.BytesIO()
        image.save(small, "PNG")
    return small.getvalue()


async def shrink(photo: dict[str, Any], edge: int) -> dict[str, Any]:
    try:
        # Pillow lets other threads work, so several images are made smaller at once.
        small = await asyncio.to_thread(thumbnail, base64.b64decode(photo["image"]), edge)
    except Exception as error:  # noqa: BLE001 - broken images make Pillow raise nearly anything
        return {"name": photo["name"], "error": str(error)}
    return {"name": photo["name"], "image": small}  # bytes inside a value leave as base64


def run(context: Context, input: Input[dict[str, Any]], edge: int = 96) -> Stream[dict[str, Any]]:
    return input.map(shrink, edge)
