"""Sends images to topic `photos` and writes what comes from topic `thumbnails`: ``python feed.py DIRECTORY IMAGE...``.

The Hub is that of the active profile of `si`, or SCRAMJET_HUB_URL.
"""

from __future__ import annotations

import sys
from pathlib import Path

from transform_hub.sync import HostClient

MESSAGES = "application/vnd.scramjet.messages"


def main(directory: str, *images: str) -> None:
    paths = [Path(image) for image in images]
    with HostClient.from_env() as host:
        host.topic("photos", MESSAGES).send_messages(path.read_bytes() for path in paths)
        with host.topic("thumbnails", MESSAGES).get() as thumbnails:
            for path, small in zip(paths, thumbnails.messages(), strict=False):  # they keep their order
                if small:
                    (Path(directory) / path.name).write_bytes(small)
                print(path.name if small else f"{path.name} is no image")


if __name__ == "__main__":
    main(*sys.argv[1:])
