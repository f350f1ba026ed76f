"""Unpacking: whatever the archive, nothing outside its directory changes.

The first byte of an input says whether the rest is a tar, which is packed here, or a gzip already:
otherwise the checksum of gzip would keep nearly all changes from the parser behind it.
"""

import gzip
import io
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from transform_hub import package
from transform_hub.errors import PackageError

LIMITS = package.Limits(max_archive_bytes=1 << 20, max_unpacked_bytes=1 << 20, max_files=100)
SECRET = b"nobody may touch this"


def fuzz(data: bytes) -> None:
    archive = data[1:] if data[:1] == b"g" else gzip.compress(data[1:], 1)
    with tempfile.TemporaryDirectory() as folder:
        box = Path(folder)
        (box / "secret").write_bytes(SECRET)
        try:
            package.unpack(io.BytesIO(archive), box / "target", limits=LIMITS)
        except PackageError:
            assert not (box / "target").exists(), "something is left of what was refused"
        assert sorted(each.name for each in box.iterdir()) in (["secret"], ["secret", "target"])
        assert (box / "secret").read_bytes() == SECRET
        assert (box / "secret").stat().st_nlink == 1
        for path in (box / "target").rglob("*"):
            check(path, box / "target")


def check(path: Path, root: Path) -> None:
    kind = stat.S_IFMT(path.lstat().st_mode)
    assert kind in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK), f"{path} is a device or the like"
    assert path.resolve().is_relative_to(root.resolve()), f"{path} leads outside"


def seeds() -> Iterator[bytes]:
    """Archives to begin with: of each dialect of tar, with links, long names, sparse files and devices."""
    kinds = (
        tarfile.REGTYPE,
        tarfile.DIRTYPE,
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.GNUTYPE_SPARSE,
    )
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w", format=form) as archive:
            for name, content in (
                ("package.json", b'{"main": "main.py"}'),
                ("main.py", b"pass"),
                ("d" * 90 + "/é", b"x"),
            ):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            for kind in kinds:
                info = tarfile.TarInfo("../secret" if kind == tarfile.REGTYPE else f"kind{ord(kind)}")
                info.type, info.linkname = kind, "../secret"
                archive.addfile(info)
        yield b"t" + file.getvalue()
        yield b"g" + gzip.compress(file.getvalue())
        yield b"t" + file.getvalue()[: 512 * 4] + bytes(1024)
