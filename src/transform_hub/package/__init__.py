"""Sequence packages: read, check, pack, unpack.

A package is a tar.gz with a ``package.json`` in its root, whose ``main`` names the file that is run:

    pack("my-sequence", "my-sequence.tar.gz")
    package = unpack("my-sequence.tar.gz", "sequences/1")
    entrypoint("sequences/1", package)      # sequences/1/main.py

Codes of PackageError:

    not-an-archive         not a tar.gz, or empty, truncated, damaged
    no-package-json        none in the root, or it can't be read
    bad-package-json       it is not JSON
    invalid-package-json   a field is missing or of the wrong type; the message is STH's
    no-main                there is no file that ``main`` names
    unsafe                 something that leads outside, a device, a name that is there twice
    too-large              one of the Limits
    invalid                something else is wrong with what is to be packed
"""

from transform_hub.package.gunzip import Limits
from transform_hub.package.package_json import PackageJson, entrypoint, read_package_json
from transform_hub.package.packing import Packed, contents, pack
from transform_hub.package.unpacking import unpack

__all__ = ["Limits", "PackageJson", "Packed", "contents", "entrypoint", "pack", "read_package_json", "unpack"]
