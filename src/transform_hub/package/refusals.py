"""Why a package is refused, in words and with a code."""

from __future__ import annotations

from transform_hub.errors import PackageError

GZIP = b"\x1f\x8b"

_MAGIC = {
    b"PK\x03\x04": "a zip archive",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"\xfd7zXZ\0": "compressed with xz",
    b"BZh": "compressed with bzip2",
    b"LZIP": "compressed with lzip",
    b"\x04\x22\x4d\x18": "compressed with lz4",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"\x1f\x9d": "compressed with compress",
    GZIP: "compressed with gzip once more",
}


def shown(name: str | bytes) -> str:
    """A name for messages: quoted, escaped, shortened."""
    return repr(name) if len(name) <= 100 else repr(name[:100]) + "..."


def corrupt(detail: str) -> PackageError:
    return PackageError(f"Invalid pkg tar.gz archive: {detail}", code="not-an-archive")


def unsafe(detail: str) -> PackageError:
    return PackageError(f"Package refused: {detail}", code="unsafe")


def too_large(detail: str) -> PackageError:
    return PackageError(f"Package too large: {detail}", code="too-large")


def foreign(data: bytes) -> str:
    """What something is that is no tar.gz, by its first bytes; empty if that is not known."""
    known = next((name for magic, name in _MAGIC.items() if data.startswith(magic)), "")
    return known or ("a tar that is not compressed" if data[257:262] == b"ustar" else "")


def not_gzip(data: bytes, reason: str = "") -> PackageError:
    """The refusal of something that does not begin as gzip does.

    Args:
        data: its beginning, 512 bytes if it has as many.
        reason: what else is known.
    """
    if found := foreign(data):
        return corrupt(f"it is {found}, not a tar.gz: make one with `tar czf`")
    return corrupt(f"not gzip, or damaged{reason}")
