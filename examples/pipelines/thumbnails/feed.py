"""Sends images to topic `photos` and writes what comes from topic `thumbnails`: ``python feed.py DIRECTORY IMAGE...``.

The Hub is that of the active profile of `si`, or SCRAMJET_HUB_URL.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

from transform_hub.sync import HostClient


def feed(host: HostClient, images: list[Path]) -> None:
    photos = host.topic("photos")
    with photos.open() as writer:
        for path in images:
            image = base64.b64encode(path.read_bytes()).decode()
            writer.write(json.dumps({"name": path.name, "image": image}) + "\n")


def collect(host: HostClient, directory: Path, count: int) -> None:
    with host.topic("thumbnails").get() as thumbnails:
        for _, found in zip(range(count), thumbnails.json(), strict=False):
            if "error" in found:
                print(found["name"], "-", found["error"])
            else:
                (directory / found["name"]).write_bytes(base64.b64decode(found["image"]))
                print(found["name"])


def main(directory: str, *images: str) -> None:
    with HostClient.from_env() as host:
        feed(host, [Path(image) for image in images])
        collect(host, Path(directory), len(images))


if __name__ == "__main__":
    main(*sys.argv[1:])
