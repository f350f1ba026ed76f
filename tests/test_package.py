"""Sequence packages: real directories and real archives, the evil ones put together by hand."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import json
import lzma
import os
import shutil
import stat
import subprocess
import tarfile
import tempfile
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from transform_hub.errors import PackageError
from transform_hub.package import Limits, PackageJson, entrypoint, pack, read_package_json, unpack
from transform_hub.package.packing import _JUNK

PACKAGE_JSON = b'{"name": "hello", "version": "1.0.0", "main": "index.js", "engines": {"node": ">=16"}}'


# --- building and looking


def plant(directory, files):
    """Write files: bytes are a file, None is an empty directory, a str is a link's target."""
    for name, content in files.items():
        path = Path(directory, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.mkdir(exist_ok=True)
        elif isinstance(content, str):
            path.symlink_to(content)
        else:
            path.write_bytes(content)
    return Path(directory)


def look(directory):
    """The reverse of `plant`; a directory is in it when it is empty."""
    found = {}
    for path in sorted(Path(directory).rglob("*")):
        name = path.relative_to(directory).as_posix()
        if path.is_symlink():
            found[name] = str(path.readlink())
        elif path.is_file():
            found[name] = path.read_bytes()
        elif not any(path.iterdir()):
            found[name] = None
    return found


def entry(name, data=b"", kind=tarfile.REGTYPE, target="", *, size=None, mode=0o644, pax=None):
    """One member as it stands in a tar."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, target, mode
    info.size = len(data) if size is None else size
    info.pax_headers = pax or {}
    form = tarfile.PAX_FORMAT if pax else tarfile.GNU_FORMAT
    return info.tobuf(form, "utf-8", "surrogateescape") + data + bytes(-len(data) % 512)


def link(name, target):
    return entry(name, kind=tarfile.SYMTYPE, target=target)


def hard_link(name, target):
    return entry(name, kind=tarfile.LNKTYPE, target=target)


def extended(kind, body, size=None):
    """A raw extended header: `body` is not checked by anyone here."""
    return entry("././@LongLink", body, kind, size=size)


GOOD = entry("package.json", PACKAGE_JSON) + entry("index.js", b"// hi\n")
END = bytes(1024)


def targz(*members, end=END):
    return gzip.compress(b"".join(members) + end, 6, mtime=0)


def unpacked(data, directory, **limits):
    return unpack(io.BytesIO(data), directory, limits=Limits(**limits))


def refused(data, tmp_path, **limits):
    """The code of the error with which a package is refused; nothing may be left of it."""
    before = look(tmp_path)
    with pytest.raises(PackageError) as caught:
        unpacked(data, tmp_path / "target", **limits)
    assert look(tmp_path) == before
    assert not (tmp_path / "target").exists()
    assert str(tmp_path) not in str(caught.value)
    return caught.value.code


@pytest.fixture
def project(tmp_path):
    return plant(tmp_path / "project", {"package.json": PACKAGE_JSON, "index.js": b"// hi\n"})


def packed(directory):
    file = io.BytesIO()
    pack(directory, file)
    return file.getvalue()


def names(archive):
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return tar.getnames()


# --- pack


def test_a_packed_directory_unpacks_to_the_same(project, tmp_path):
    files = {
        "lib/a.js": b"a" * 1000,
        "empty": None,
        "lib/b.js": "a.js",
        "lib/up": "..",
        "dangling": "lib/none",
    }
    plant(project, files)

    result = pack(project, tmp_path / "out.tar.gz")
    package = unpack(tmp_path / "out.tar.gz", tmp_path / "target")

    assert look(tmp_path / "target") == look(project)
    assert package == PackageJson(name="hello", version="1.0.0", main="index.js", engines={"node": ">=16"})
    assert result.files == ("dangling", "index.js", "lib/a.js", "lib/b.js", "lib/up", "package.json")
    assert result.unpacked_bytes == 1000 + len(b"// hi\n") + len(PACKAGE_JSON)
    assert result.packed_bytes == (tmp_path / "out.tar.gz").stat().st_size


def test_packing_is_deterministic(project, tmp_path):
    plant(
        project,
        {"z.js": b"z", "a/b": b"b", "a-b": b"", "é": b"", "l": "z.js", "x" * 120 + "/" + "y" * 120: b""},
    )
    other = shutil.copytree(project, tmp_path / "elsewhere" / "copy", symlinks=True)
    (other / "index.js").chmod(0o660)
    (other / "a").chmod(0o700)
    os.utime(other / "z.js", (1, 1))

    archive = packed(project)

    assert archive == packed(other)
    assert archive[3] == 0, "the gzip header has no name"
    assert archive[4:8] == bytes(4), "the gzip header has no time"
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        assert tar.getnames() == sorted(tar.getnames())
        assert {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in tar} == {(0, 0, 0, "", "")}


def test_modes_are_normalised_in_both_directions(project, tmp_path):
    for name, mode in {"plain": 0o600, "secret": 0o4640, "tool": 0o700, "setuid": 0o6755}.items():
        plant(project, {name: b""})
        (project / name).chmod(mode)
    expected = {"plain": 0o644, "secret": 0o644, "tool": 0o755, "setuid": 0o755}

    with tarfile.open(fileobj=io.BytesIO(packed(project))) as tar:
        assert {name: tar.getmember(name).mode for name in expected} == expected

    evil = [
        entry("setuid", mode=0o6755),
        entry("setgid", mode=0o2666),
        entry("d", kind=tarfile.DIRTYPE, mode=0o1777),
    ]
    unpacked(targz(GOOD, *evil), tmp_path / "target")
    umask = os.umask(0)
    os.umask(umask)
    for name, mode in {"setuid": 0o755, "setgid": 0o644, "d": 0o755}.items():
        assert stat.S_IMODE((tmp_path / "target" / name).stat().st_mode) == mode & ~umask


def test_junk_is_left_out_and_vendored_dependencies_are_not(project):
    junk = [
        ".git/HEAD",
        ".hg/x",
        ".svn/x",
        "a/__pycache__/x.pyc",
        "a/x.pyc",
        ".venv/x",
        "venv/x",
        ".mypy_cache/x",
    ]
    junk += [".pytest_cache/x", ".ruff_cache/x", ".tox/x", ".nox/x", "a/.DS_Store", "a/.git"]
    kept = ["node_modules/dep/index.js", "__pypackages__/dep/x.py", "a/venv.py", ".gitignore", "other.tar.gz"]
    plant(project, dict.fromkeys([*junk, *kept], b""))

    archived = names(packed(project))

    assert set(kept) < set(archived)
    assert not set(junk) & set(archived)
    assert not {".git", "venv", "a/__pycache__"} & set(archived)


def test_the_archive_is_not_in_itself(project):
    first = pack(project, project / "out.tar.gz")
    again = pack(project, project / "out.tar.gz")
    with (project / "stream.tar.gz").open("wb") as file:
        streamed = pack(project, file)

    assert first == again
    assert streamed.files == ("index.js", "out.tar.gz", "package.json")


@pytest.mark.parametrize(
    ("rules", "kept"),
    [
        ("*.log\n# comment\n\n/build\n", {"keep.log.txt", "src/build/x", "venv.txt", "src/a.py"}),
        (
            "*.log\n!important.log\n",
            {"important.log", "build/x", "keep.log.txt", "src/build/x", "src/a.py", "venv.txt"},
        ),
        ("*\n!*/\n!*.py\n!index.js\n", {"src/a.py"}),
        ("/*\n!/src\n!/index.js\n", {"src/a.py", "src/build/x", "src/b.log"}),
        ("src/**\n!src/a.py\n*.txt\nbuild/\n*.log", {"src/a.py"}),
        ("*\n!index.js\n!venv\n!venv/**\n", {"venv/x"}),
    ],
)
def test_siignore_has_the_syntax_of_gitignore(project, rules, kept):
    files = ["important.log", "src/b.log", "build/x", "src/build/x", "keep.log.txt", "src/a.py"]
    files += ["venv.txt", "venv/x"]
    plant(project, {**dict.fromkeys(files, b""), ".siignore": rules.encode()})

    archived = pack(project, io.BytesIO()).files

    assert set(archived) & set(files) == kept
    assert {"package.json", "index.js"} < set(archived)


def test_directories_of_what_is_taken_in_again_are_packed(project):
    plant(
        project,
        {"src/deep/a.py": b"", "src/b.js": b"", "none/b.js": b"", ".siignore": b"*\n!*.py\n!index.js\n"},
    )
    assert names(packed(project)) == ["index.js", "package.json", "src", "src/deep", "src/deep/a.py"]


@pytest.mark.parametrize("rules", [b"!", b"\xff\xfe"])
def test_a_bad_siignore_is_named(project, rules):
    plant(project, {".siignore": rules})
    with pytest.raises(PackageError, match=r"\.siignore"):
        packed(project)


def test_what_is_needed_may_not_be_left_out(project):
    plant(project, {".siignore": b"index.js"})
    with pytest.raises(PackageError, match=r"index\.js is needed, but left out") as caught:
        packed(project)
    assert caught.value.code == "no-main"


def test_main_may_be_reached_through_links(project, tmp_path):
    plant(project, {"real/app.js": b"", "dist": "real", "package.json": b'{"main": "dist/app"}'})
    unpack(io.BytesIO(packed(project)), tmp_path / "target")
    plant(project, {".siignore": b"/dist"})
    with pytest.raises(PackageError, match="dist is needed"):
        packed(project)


@pytest.mark.parametrize("target", ["../outside", "/etc/passwd", "lib/../../outside", "a-link/../../outside", "loop"])
def test_a_link_that_leads_outside_is_named(project, tmp_path, target):
    plant(tmp_path, {"outside": b""})
    plant(project, {"lib/x": b"", "a-link": "lib", "loop": "loop2", "loop2": "loop", "bad-link": target})
    if target != "loop":
        (project / "loop").unlink()
    with pytest.raises(PackageError, match=r"bad-link|loop") as caught:
        pack(project, tmp_path / "out.tar.gz")
    assert caught.value.code == "unsafe"
    assert not (tmp_path / "out.tar.gz").exists()


def test_an_absolute_link_that_stays_inside_is_made_relative(project, tmp_path):
    plant(project, {"lib/a.js": b"a", "lib/deep/b.js": str(project / "lib/a.js"), "top": str(project)})
    unpack(io.BytesIO(packed(project)), tmp_path / "target")
    assert (tmp_path / "target/lib/deep/b.js").readlink() == Path("../a.js")
    assert (tmp_path / "target/top").readlink() == Path()


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({}, "no-package-json"),
        ({"package.json": b"{"}, "bad-package-json"),
        ({"package.json": b"{}"}, "invalid-package-json"),
        ({"package.json": PACKAGE_JSON}, "no-main"),
    ],
)
def test_a_package_is_checked_before_anything_is_written(tmp_path, files, code):
    project = plant(tmp_path / "project", {"x": b"", **files})
    (tmp_path / "out.tar.gz").write_bytes(b"old")
    stream = io.BytesIO()

    for target in (tmp_path / "out.tar.gz", stream):
        with pytest.raises(PackageError) as caught:
            pack(project, target)
        assert caught.value.code == code

    assert stream.getvalue() == b""
    assert look(tmp_path) == {"out.tar.gz": b"old", **{f"project/{k}": v for k, v in look(project).items()}}


def test_a_directory_that_is_none_is_named(tmp_path, project):
    for path in (tmp_path / "missing", project / "index.js"):
        with pytest.raises(PackageError, match=r"/(missing|index\.js) is not a directory; name the one"):
            packed(path)


@pytest.mark.parametrize(
    "error", [PermissionError(errno.EACCES, "Permission denied"), OSError(errno.EIO, "Input error")]
)
def test_an_unreadable_file_is_named_and_nothing_is_left(project, tmp_path, monkeypatch, error):
    plant(project, {"secret.key": b"x"})
    really_open = os.open

    def refuse(path, *args, **kwargs):
        if str(path).endswith("secret.key"):
            error.filename = str(path)
            raise error
        return really_open(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PackageError, match=rf"Can't read .*secret\.key: {error.strerror}; .*\.siignore"):
        pack(project, tmp_path / "out.tar.gz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["project"]


def test_an_unreadable_directory_is_named(project, monkeypatch):
    plant(project, {"closed/x": b""})
    really_scan = os.scandir

    def refuse(path):
        if str(path).endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return really_scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PackageError, match=r"Can't read .*closed: Permission denied"):
        packed(project)
    plant(project, {".siignore": b"closed\n"})
    packed(project)


def test_a_pipe_is_refused_without_waiting_for_its_writer(project):
    os.mkfifo(project / "pipe")
    with pytest.raises(PackageError, match="pipe is neither file nor directory"):
        packed(project)


def test_a_name_that_is_not_utf8_is_refused(project):
    try:
        (project / os.fsdecode(b"caf\xe9")).write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with pytest.raises(PackageError, match="not UTF-8; rename it"):
        packed(project)


def test_a_path_that_cannot_be_written_is_named(project, tmp_path):
    with pytest.raises(PackageError, match=r"Can't write .*/no/such/out\.tar\.gz: No such file"):
        pack(project, tmp_path / "no/such/out.tar.gz")
    with pytest.raises(PackageError, match=r"Can't write .*: Is a directory"):
        pack(project, tmp_path)


def test_a_pipe_is_written_to_and_a_link_written_through(project, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    pipe = os.open(tmp_path / "pipe", os.O_RDWR)
    pack(project, tmp_path / "pipe")
    assert os.read(pipe, 1 << 16) == packed(project)
    os.close(pipe)
    plant(tmp_path, {"link": "real.tar.gz", "real.tar.gz": b"old"})
    pack(project, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real.tar.gz").read_bytes() == packed(project)


def test_an_error_of_the_stream_is_its_own(project):
    class Broken(io.BytesIO):
        def write(self, data):
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    with pytest.raises(BrokenPipeError):
        pack(project, Broken())


def test_a_file_that_takes_a_part_of_each_write_gets_all(project):
    class Slow(io.BytesIO):
        def write(self, data):
            return super().write(data[:7])

    slow = Slow()
    pack(project, slow)
    assert slow.getvalue() == packed(project)


def test_a_stream_that_was_given_up_is_not_a_valid_archive(project, tmp_path, monkeypatch):
    plant(project, {"z": b"x"})
    monkeypatch.setattr(os, "fstat", lambda _: (project / "index.js").stat())  # "z" seems to have more bytes
    stream = io.BytesIO()
    with pytest.raises(PackageError, match="became shorter"):
        pack(project, stream)
    assert refused(stream.getvalue(), tmp_path) == "not-an-archive"


@pytest.mark.skipif(not shutil.which("tar"), reason="needs tar")
def test_the_systems_tar_reads_what_is_packed(project, tmp_path):
    plant(project, {"x" * 99 + "/" + "y" * 99: b"long", "ü": b"u", "l": "ü", "empty": None})
    pack(project, tmp_path / "out.tar.gz")
    (tmp_path / "target").mkdir()
    subprocess.run(["tar", "xzf", tmp_path / "out.tar.gz", "-C", tmp_path / "target"], check=True)
    assert look(tmp_path / "target") == look(project)


def test_memory_stays_flat(project, tmp_path):
    size = 48 << 20
    with (project / "big").open("wb") as file:
        file.truncate(size)
    tracemalloc.start()
    try:
        pack(project, tmp_path / "out.tar.gz")
        unpack(tmp_path / "out.tar.gz", tmp_path / "target", limits=Limits(max_ratio=2000))
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert (tmp_path / "target/big").stat().st_size == size


# --- unpack: what is normal


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("prefix", ["", "./"])
def test_archives_of_all_dialects_are_read(project, tmp_path, form, prefix):
    plant(
        project,
        {"x" * 90 + "/" + "y" * 90: b"long", "ü/ö": b"u", "l": "ü", "d/e": None, "big": bytes(700_000)},
    )
    os.link(project / "index.js", project / "same.js")
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", format=form) as tar:
        tar.add(project, arcname=prefix or "/")
    unpacked(file.getvalue(), tmp_path / "target")
    assert look(tmp_path / "target") == look(project)


def test_a_global_header_is_read_over(tmp_path):
    comment = extended(tarfile.XGLTYPE, b"18 comment=abcdef\n")  # as git archive writes one
    unpacked(targz(comment, GOOD), tmp_path / "target")


def test_directories_may_repeat_and_old_ones_end_in_a_slash(tmp_path):
    directory = entry("lib", kind=tarfile.DIRTYPE)
    unpacked(targz(GOOD, directory, entry("lib/x"), directory, entry("old/")), tmp_path / "target")
    assert (tmp_path / "target/old").is_dir()


def test_the_directory_may_be_there_but_only_empty(tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(PackageError):
        unpacked(targz(entry("x")), target)
    assert target.is_dir(), "only what was made is removed"
    unpacked(targz(GOOD), target)
    before = look(target)
    with pytest.raises(FileExistsError):
        unpacked(targz(GOOD), target)
    assert look(target) == before


def test_what_follows_the_end_is_ignored(tmp_path):
    unpacked(targz(GOOD, END, b"garbage" * 1000), tmp_path / "garbage")
    unpacked(targz(GOOD) + bytes(512), tmp_path / "padding")
    whole = b"".join([GOOD, END])
    unpacked(gzip.compress(whole[:700], mtime=0) + gzip.compress(whole[700:]), tmp_path / "in-two-gzip-members")


def test_links_that_stay_inside_are_made(tmp_path):
    links = {
        "a/up": "../index.js",
        "a/b/chain": "../up",
        "here": ".",
        "dangling": "none/such",
        "dir": "a/../a/b",
    }
    unpacked(targz(GOOD, entry("a/b/x"), *(link(*pair) for pair in links.items())), tmp_path / "target")
    assert {name: os.readlink(tmp_path / "target" / name) for name in links} == links  # noqa: PTH115 - as is


# --- unpack: what is refused


def sparse(size, *extents, stored=None):
    """A sparse file as GNU writes it, with up to four extents."""
    data = b"".join(b"x" * max(length, 0) for _, length in extents) if stored is None else stored
    header = bytearray(entry("s", data, kind=tarfile.GNUTYPE_SPARSE))
    header[257:265] = b"ustar  \0"
    for number, extent in enumerate(extents):
        at = 386 + 24 * number
        header[at : at + 24] = b"".join(tarfile.itn(each, 12, tarfile.GNU_FORMAT) for each in extent)
    header[483:495] = tarfile.itn(size, 12, tarfile.GNU_FORMAT)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])
    return bytes(header)


SPARSE = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "99999999999"}
DEEP = "/".join("d" * 129)

EVIL = {
    "absolute name": ("unsafe", entry("/tmp/evil")),
    "parent": ("unsafe", entry("../evil")),
    "parent inside": ("unsafe", entry("lib/../../evil")),
    "parent in a directory": ("unsafe", entry("../evil", kind=tarfile.DIRTYPE)),
    "parent in a pax name": ("unsafe", entry("fine", pax={"path": "../evil"})),
    "absolute pax name": ("unsafe", entry("fine", pax={"path": "/tmp/evil"})),
    "parent in a GNU name": ("unsafe", extended(tarfile.GNUTYPE_LONGNAME, b"../evil\0") + entry("fine")),
    "file without a name": ("unsafe", entry(".", b"x")),
    "absolute link": ("unsafe", link("l", "/etc/passwd")),
    "link to the parent": ("unsafe", link("l", "../x")),
    "empty link": ("unsafe", link("l", "")),
    "link in a pax header": (
        "unsafe",
        entry("l", kind=tarfile.SYMTYPE, target="x", pax={"linkpath": "../x"}),
    ),
    "link out of a directory": ("unsafe", entry("a/x") + link("a/l", "../../x")),
    "links that add up": ("unsafe", entry("a/b/x") + link("a/b/up", "..") + link("a/out", "b/up/../../x")),
    "links that add up, later": (
        "unsafe",
        link("a/out", "b/up/../../x") + entry("a/b/x") + link("a/b/up", ".."),
    ),
    "link through nothing": ("unsafe", link("l", "none/../../x")),
    "link up from a file": ("unsafe", link("l", "index.js/../x")),
    "link to itself": ("unsafe", link("l", "l")),
    "circle of links": ("unsafe", link("l", "m") + link("m", "l/x")),
    "file through a link": ("unsafe", link("l", ".") + entry("l/evil")),
    "file over a link out": ("unsafe", entry("l", b"x") + link("l", "/etc/passwd")),
    "directory over a link": ("unsafe", link("l", ".") + entry("l", kind=tarfile.DIRTYPE)),
    "hard link outside": ("unsafe", hard_link("h", "../secret")),
    "absolute hard link": ("unsafe", hard_link("h", "/etc/passwd")),
    "hard link to nothing": ("unsafe", hard_link("h", "none")),
    "hard link to a link": ("unsafe", link("l", "index.js") + hard_link("h", "l")),
    "hard link to a directory": ("unsafe", entry("a/x") + hard_link("h", "a")),
    "hard link to the root": ("unsafe", hard_link("h", ".")),
    "hard link to what comes later": ("unsafe", hard_link("h", "late") + entry("late")),
    "character device": ("unsafe", entry("d", kind=tarfile.CHRTYPE)),
    "block device": ("unsafe", entry("d", kind=tarfile.BLKTYPE)),
    "pipe": ("unsafe", entry("d", kind=tarfile.FIFOTYPE)),
    "unknown type": ("unsafe", entry("d", kind=b"Z")),
    "file over a directory": ("unsafe", entry("x/y") + entry("x")),
    "directory over a file": ("unsafe", entry("x") + entry("x", kind=tarfile.DIRTYPE)),
    "file in a file": ("unsafe", entry("x") + entry("x/y")),
    "pax sparse file without a map": ("not-an-archive", entry("s", b"x" * 512, pax=SPARSE)),
    "giant pax sparse file": ("too-large", entry("s", b"0\n" + bytes(510), pax=SPARSE)),
    "giant GNU sparse file": ("too-large", sparse(10_000_000_000, (0, 1))),
    "sparse file with too many extents": ("not-an-archive", entry("s", b"999999\n" + bytes(505), pax=SPARSE)),
    "extents that overlap": ("not-an-archive", sparse(100, (0, 10), (5, 10))),
    "extents beyond the end": ("not-an-archive", sparse(100, (99, 2))),
    "extents that are not stored": ("not-an-archive", sparse(100, (0, 10), stored=b"x")),
    "negative extent": ("not-an-archive", sparse(100, (0, -10))),
    "extents of half a pair": ("not-an-archive", entry("s", pax={"GNU.sparse.size": "9", "GNU.sparse.map": "1"})),
    "extents of no numbers": ("not-an-archive", entry("s", pax={"GNU.sparse.size": "9", "GNU.sparse.map": "1,x"})),
    "sparse file of no size": ("not-an-archive", entry("s", pax={"GNU.sparse.size": "x"})),
    "one sparse map for all": ("not-an-archive", extended(tarfile.XGLTYPE, b"21 GNU.sparse.size=1\n") + entry("x")),
    "parent in the name of a sparse file": (
        "unsafe",
        entry("fine", pax={"GNU.sparse.name": "../evil", "GNU.sparse.size": "1", "GNU.sparse.map": "1,0"}),
    ),
    "volume that goes on elsewhere": ("unsafe", entry("x", kind=b"M")),
    "name that is not UTF-8": ("unsafe", entry("caf\udce9")),
    "link that is not UTF-8": ("unsafe", link("l", "caf\udce9")),
    "NUL in a name": ("unsafe", entry("x", pax={"path": "index.js\0.txt"})),
    "NUL in a link": ("unsafe", entry("l", kind=tarfile.SYMTYPE, target="x", pax={"linkpath": "x\0y"})),
    "giant file": ("too-large", entry("x", size=10_000_000_000)),
    "giant file, in a pax header": ("too-large", entry("x", pax={"size": "9" * 30})),
    "giant pax header": ("too-large", extended(tarfile.XHDTYPE, b"", size=1 << 30)),
    "giant GNU name": ("too-large", extended(tarfile.GNUTYPE_LONGNAME, b"", size=1 << 30)),
    "giant GNU link": ("too-large", extended(tarfile.GNUTYPE_LONGLINK, b"", size=1 << 30)),
    "long path": ("too-large", entry("x/" * 60 + "y" * 1000)),
    "long link": ("too-large", link("l", "x" * 1025)),
    "long part of a path": ("too-large", entry("y" * 300)),
    "deep path": ("too-large", entry(DEEP)),
    "negative size": ("not-an-archive", entry("x", size=-1)),
    "negative size of a header": ("not-an-archive", extended(tarfile.XHDTYPE, b"", size=-512)),
    "negative pax size": ("not-an-archive", entry("x", pax={"size": "-512"})),
    "pax size that is no number": ("not-an-archive", entry("x", pax={"size": "1_0"})),
    "pax record too long": ("not-an-archive", extended(tarfile.XHDTYPE, b"99 path=x\n") + entry("x")),
    "pax record of no length": ("not-an-archive", extended(tarfile.XHDTYPE, b"0 path=x\n") + entry("x")),
    "pax record without a value": ("not-an-archive", extended(tarfile.XHDTYPE, b"7 path\n") + entry("x")),
    "one name for all": ("not-an-archive", extended(tarfile.XGLTYPE, b"10 path=x\n") + entry("x")),
    "link with data": ("not-an-archive", entry("l", b"x", tarfile.SYMTYPE, "index.js")),
    "bad header": ("not-an-archive", b"x" * 512),
}


@pytest.mark.parametrize("name", EVIL)
def test_evil_is_refused_and_nothing_is_left(tmp_path, name):
    plant(tmp_path, {"secret": b"secret", "x": b"x"})
    code, member = EVIL[name]
    assert refused(targz(GOOD, member, entry("after")), tmp_path) == code
    assert refused(targz(member, GOOD), tmp_path) in {code, "not-an-archive" if code == "too-large" else code}


@pytest.mark.parametrize("name", ["../evil", "a/../evil", "/evil", "a/.."])
def test_names_are_judged_before_the_file_system_is_asked(tmp_path, name):
    with pytest.raises(PackageError, match="leads outside the package"):
        unpacked(targz(GOOD, entry(name)), tmp_path / "target")
    with pytest.raises(PackageError, match="has no name"):
        unpacked(targz(GOOD, link(".", "index.js")), tmp_path / "target")


def test_a_link_that_appears_meanwhile_is_not_followed(tmp_path):
    plant(tmp_path, {"secret": b"secret"})

    class Meddling(io.BytesIO):
        def read(self, size=-1):
            if self.tell() and not os.path.lexists(tmp_path / "target/last"):
                plant(tmp_path, {"target/last": "../secret"})
            return super().read(1000)

    with pytest.raises(PackageError) as caught:
        unpack(
            Meddling(targz(GOOD, entry("x", os.urandom(300_000)), entry("last", b"evil"))),
            tmp_path / "target",
        )
    assert caught.value.code == "unsafe"
    assert (tmp_path / "secret").read_bytes() == b"secret"


def test_links_may_be_as_many_in_a_row_as_linux_follows(tmp_path):
    def chain(length):
        return targz(GOOD, entry("l0"), *(link(f"l{n + 1}", f"l{n}") for n in range(length)))

    unpacked(chain(40), tmp_path / "fits")
    assert (tmp_path / "fits/l40").is_file()
    assert refused(chain(41), tmp_path) == "unsafe"


def test_the_secret_is_not_linked(tmp_path):
    plant(tmp_path, {"secret": b""})
    refused(targz(GOOD, hard_link("h", "../secret")), tmp_path)
    assert (tmp_path / "secret").stat().st_nlink == 1


GNU_TAR = shutil.which("gtar") or shutil.which("tar")
needs_gnu_tar = pytest.mark.skipif(
    not GNU_TAR or b"GNU tar" not in subprocess.run([GNU_TAR, "--version"], capture_output=True, check=False).stdout,
    reason="there is no GNU tar here",
)


@needs_gnu_tar
@pytest.mark.parametrize(
    "options",
    [
        ("-V", "nightly"),
        ("-V", "nightly", "--format=posix"),
        ("-S",),
        ("-S", "--format=posix", "--sparse-version=0.0"),
        ("-S", "--format=posix", "--sparse-version=0.1"),
        ("-S", "--format=posix", "--sparse-version=1.0"),
        ("-g", "snapshot"),
        ("-g", "snapshot2", "--format=posix"),
        ("-S", "-V", "x", "-g", "snapshot3"),
    ],
    ids=" ".join,
)
def test_what_gnu_tar_makes_is_unpacked_as_it_would(tmp_path, options):
    source = tmp_path / "source"
    plant(source, {"package.json": b'{"main": "index.js"}', "index.js": b"//", "deep/" * 30 + "file": b"x"})
    with (source / "data.db").open("wb") as file:
        for number in range(60):
            file.seek(number << 16)
            file.write(b"%d" % number)
        file.truncate(5 << 20)
    (source / "hole").touch()
    os.truncate(source / "hole", 3 << 20)
    archive = tmp_path / "x.tar.gz"
    command = [GNU_TAR, "-czf", archive, *options, "-C", source, "."]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    unpacked(archive.read_bytes(), tmp_path / "target")
    assert look(tmp_path / "target") == look(source)


@needs_gnu_tar
def test_what_is_appended_counts(tmp_path):
    source = tmp_path / "source"
    plant(source, {"package.json": b'{"main": "index.js"}', "index.js": b"old", "lib/a": b"a"})
    archive = tmp_path / "x.tar"
    subprocess.run([GNU_TAR, "-cf", archive, "-C", source, "."], check=True)
    plant(source, {"index.js": b"new and longer", "lib/b": b"b"})
    subprocess.run([GNU_TAR, "-rf", archive, "-C", source, "./index.js", "lib"], check=True)
    unpacked(gzip.compress(archive.read_bytes()), tmp_path / "target")
    assert look(tmp_path / "target") == look(source)


@pytest.mark.parametrize(
    ("members", "found"),
    [
        (entry("x", b"old") + entry("x", b"new"), b"new"),
        (entry("y", b"old") + entry("x", b"old") + entry("./x", b"new"), b"new"),
        (link("x", "none") + entry("x", b"new"), b"new"),
        (link("x", "/etc/passwd") + entry("x", b"new"), b"new"),
        (entry("y", b"new") + entry("x", b"old") + link("x", "y"), b"new"),
        (entry("y", b"new") + entry("x", b"old") + hard_link("x", "y"), b"new"),
        (entry("x", b"new") + hard_link("x", "x"), b"new"),
        (entry("x", b"new") + hard_link("y", "x") + entry("y", b"other"), b"new"),
    ],
)
def test_the_last_of_a_name_counts(tmp_path, members, found):
    unpacked(targz(GOOD, members), tmp_path / "target")
    assert (tmp_path / "target/x").read_bytes() == found


def test_a_hole_takes_no_room_on_disk(tmp_path):
    unpacked(targz(GOOD, sparse(100 << 20, (1 << 20, 3))), tmp_path / "target")
    found = (tmp_path / "target/s").stat()
    assert found.st_size == 100 << 20
    assert found.st_blocks * 512 < 1 << 20


def test_all_that_was_ever_in_it_counts_against_the_limit(tmp_path):
    twice = targz(GOOD, entry("x", bytes(600)), entry("x", bytes(600)))
    assert refused(twice, tmp_path, max_unpacked_bytes=1000) == "too-large"


FOREIGN = {
    "a zip archive": b"PK\x03\x04" + bytes(600),
    "compressed with zstd": b"\x28\xb5\x2f\xfd" + bytes(600),
    "compressed with xz": lzma.compress(GOOD),
    "compressed with bzip2": bz2.compress(GOOD),
    "a tar that is not compressed": GOOD,
    "a zip archive, not a tar": gzip.compress(b"PK\x03\x04" + b"x" * 600),
    "compressed with gzip once more": gzip.compress(targz(GOOD, entry("x", os.urandom(1000)))),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_what_it_is_instead_is_told(tmp_path, what):
    with pytest.raises(PackageError, match=f"^Invalid pkg tar.gz archive: .*{what}") as raised:
        unpacked(FOREIGN[what], tmp_path / "target")
    assert raised.value.code == "not-an-archive"


@pytest.mark.parametrize(
    "data", [b"", b"hello", bytes(10_000), GOOD + END, gzip.compress(b"hello", mtime=0), gzip.compress(b"", mtime=0)]
)
def test_what_is_not_a_targz_is_told_so(tmp_path, data):
    assert refused(data, tmp_path) == "not-an-archive"


def test_no_beginning_of_an_archive_is_taken_for_the_whole(tmp_path):
    data = targz(GOOD, entry("last", b"last"))
    for size in range(len(data)):
        assert refused(data[:size], tmp_path) == "not-an-archive"


def test_no_beginning_of_a_tar_is_taken_for_the_whole(tmp_path):
    tar = GOOD + entry("last", b"last")
    for size in range(0, len(tar), 256):
        assert refused(targz(tar[:size], end=b""), tmp_path) == "not-an-archive"
    for not_a_member in (b"x" * 512, extended(tarfile.GNUTYPE_LONGNAME, b"name\0") + END):
        assert refused(targz(GOOD, not_a_member, entry("last")), tmp_path) == "not-an-archive"


def test_the_checksum_counts(tmp_path):
    data = bytearray(targz(GOOD))
    data[-6] ^= 1
    assert refused(bytes(data), tmp_path) == "not-an-archive"
    assert refused(targz(GOOD) + b"garbage", tmp_path) == "not-an-archive"


def flipped(data, at):
    return bytes(byte ^ (place == at % len(data)) for place, byte in enumerate(data))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (flipped(targz(GOOD), -8), "it is damaged: incorrect data check"),
        (flipped(targz(GOOD), -4), "it is damaged: incorrect length check"),
        (flipped(targz(GOOD), 2), "it is damaged: unknown compression method"),
        (flipped(targz(GOOD) * 2, -8), "it is damaged: incorrect data check"),
        (targz(GOOD) + b"garbage", "it is damaged: something other than gzip follows its end"),
        (b"garbage" + targz(GOOD), "not gzip, or damaged (incorrect header check)"),
    ],
)
def test_the_reason_is_the_true_one(tmp_path, data, reason):
    with pytest.raises(PackageError) as raised:
        unpacked(data, tmp_path / "target")
    assert str(raised.value) == f"Invalid pkg tar.gz archive: {reason}"


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input error"), KeyboardInterrupt()])
def test_nothing_is_left_when_the_archive_cannot_be_read(tmp_path, error):
    class Broken(io.BytesIO):
        def read(self, size=-1):
            data = super().read(1000)
            if not data:
                raise error
            return data

    with pytest.raises(type(error)):
        unpack(Broken(targz(GOOD, entry("random", os.urandom(9_000)))[:-100]), tmp_path / "target")
    assert not (tmp_path / "target").exists()
    with pytest.raises(FileNotFoundError):
        unpack(tmp_path / "missing.tar.gz", tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_nothing_is_left_when_the_disk_is_full(tmp_path, monkeypatch):
    really_open = os.open

    def full(path, *args, **kwargs):
        if str(path).endswith("last"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return really_open(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(OSError, match="No space left"):
        unpacked(targz(GOOD, entry("a/b/last")), tmp_path / "target")
    assert not (tmp_path / "target").exists()


# --- unpack: limits


def test_limits_are_exact(tmp_path):
    data = targz(GOOD, entry("a/b/c", b"x" * 1000), link("l", "a"))
    size = len(PACKAGE_JSON) + len(b"// hi\n") + 1000
    at = {
        "max_archive_bytes": len(data),
        "max_unpacked_bytes": size,
        "max_files": 6,
        "max_path_bytes": 12,
        "max_depth": 3,
    }
    unpacked(data, tmp_path / "fits", **at)
    for name, limit in at.items():
        assert refused(data, tmp_path, **{name: limit - 1}) == "too-large"


def test_directories_count_and_so_do_repeated_ones(tmp_path):
    assert refused(targz(GOOD, entry("a/" * 50 + "x")), tmp_path, max_files=50) == "too-large"
    assert refused(targz(GOOD, entry("a", kind=tarfile.DIRTYPE) * 50), tmp_path, max_files=50) == "too-large"
    assert refused(targz(GOOD, entry("./", kind=tarfile.DIRTYPE) * 50), tmp_path, max_files=50) == "too-large"


def test_extended_headers_count(tmp_path):
    record = extended(tarfile.XHDTYPE, b"6 a=b\n" * 100)
    assert refused(targz(record * 20, GOOD), tmp_path, max_files=10) == "too-large"
    assert refused(targz(extended(tarfile.XHDTYPE, b"") * 2000, GOOD), tmp_path, max_files=10) == "too-large"


def test_empty_gzip_members_count(tmp_path):
    assert refused(gzip.compress(b"", mtime=0) * 20 + targz(GOOD), tmp_path, max_files=10) == "too-large"


def test_many_links_do_not_take_long(tmp_path):
    chain = [link(f"l{n}", f"l{n + 1}/" + "x/../" * 190) for n in range(30)]
    many = [link(f"m{n}", "l0") for n in range(200)]
    members = [entry("x", kind=tarfile.DIRTYPE), link("l30", "."), *chain]
    unpacked(targz(GOOD, *members, many[0]), tmp_path / "a few")
    assert refused(targz(GOOD, *members, *many), tmp_path) == "unsafe"


class Zeros(io.RawIOBase):
    """A gzip stream of a tar's beginning and then of zeros without end, made as it is read."""

    def __init__(self, start):
        deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
        self.start = deflate.compress(start) + deflate.flush(zlib.Z_FULL_FLUSH)
        self.zeros = deflate.compress(bytes(1 << 20)) + deflate.flush(zlib.Z_FULL_FLUSH)
        self.taken = 0

    def read(self, size=-1):
        data, self.start = (self.start or self.zeros), b""
        assert len(data) <= size
        self.taken += len(data)
        return data


@pytest.mark.parametrize(
    "start",
    [
        GOOD + entry("zeros", size=1 << 30),
        GOOD + END,
        GOOD + extended(tarfile.XHDTYPE, b"", size=1 << 20),
        GOOD + entry("zeros", size=1 << 20) + bytes(512),
    ],
    ids=["in a file", "after the end", "in a header", "after a file"],
)
def test_a_bomb_is_refused_when_32_mib_are_unpacked(tmp_path, start):
    zeros = Zeros(start)
    with pytest.raises(PackageError) as caught:
        unpack(zeros, tmp_path / "target", limits=Limits(max_unpacked_bytes=10_000_000_000))
    assert caught.value.code in {"too-large", "not-an-archive"}
    assert zeros.taken < 64 << 10
    assert not (tmp_path / "target").exists()


def test_the_ratio_is_not_judged_early(tmp_path):
    unpacked(targz(GOOD, entry("zeros", bytes(30 << 20))), tmp_path / "target")


def test_a_giant_header_is_not_taken_into_memory(tmp_path):
    data = targz(extended(tarfile.XHDTYPE, bytes(30 << 20)), GOOD)
    tracemalloc.start()
    try:
        assert refused(data, tmp_path) == "too-large"
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_all_data_counts_even_that_of_no_file(tmp_path):
    assert refused(targz(GOOD, END, os.urandom(2 << 20)), tmp_path, max_unpacked_bytes=9999, max_files=9) == "too-large"


# --- package.json


def check(tmp_path, content):
    plant(tmp_path, {"package.json": content if isinstance(content, bytes) else json.dumps(content).encode()})
    return read_package_json(tmp_path)


def test_fields_are_read_and_others_ignored(tmp_path):
    fields = {
        "main": "m.py", "name": "n", "version": "1", "engines": {"python3": "3"}, "description": "d",
        "author": "a", "keywords": ["k"], "args": [1, None, {"x": []}],
        "repository": {"type": "git", "url": "u", "directory": "d"},
    }  # fmt: skip
    assert check(tmp_path, {**fields, "scripts": {"x": 1}, "assets": []}) == PackageJson(**fields)
    assert check(tmp_path, {"main": "m", **dict.fromkeys(fields.keys() - {"main"})}) == PackageJson(main="m")
    assert check(tmp_path, b'\xef\xbb\xbf{"main": "m"}') == PackageJson(main="m")


@pytest.mark.parametrize(
    ("author", "text"),
    [
        ({"name": "A B"}, "A B"),
        ({"name": "A B", "email": "a@b.c"}, "A B <a@b.c>"),
        ({"url": "https://b.c", "email": "a@b.c", "name": "A B", "x": 1}, "A B <a@b.c> (https://b.c)"),
    ],
)
def test_the_author_may_be_an_object_as_npm_has_it(tmp_path, author, text):
    assert check(tmp_path, {"main": "m", "author": author}).author == text


DECODER = "<SequencePackageJSON> decoder failed at key "


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, DECODER + '"main" with error: undefined is not a valid string'),
        ([], DECODER + '"main" with error: undefined is not a valid string'),
        ({"main": None}, DECODER + '"main" with error: null is not a valid string'),
        ({"name": 1}, DECODER + '"name" with error: 1 is not a valid string'),
        ({"version": True}, DECODER + '"version" with error: true is not a valid string'),
        ({"description": ["x"]}, DECODER + '"description" with error: ["x"] is not a valid string'),
        ({"author": {"email": "x"}}, DECODER + '"author" with error: {"email":"x"} is not a valid string'),
        ({"keywords": "x"}, DECODER + '"keywords" with error: "x" is not a valid array'),
        (
            {"keywords": ["x", 1]},
            DECODER + '"keywords" with error: <KeywordsDecoder> decoder failed at index "1" '
            "with error: 1 is not a valid string",
        ),
        ({"args": {}}, DECODER + '"args" with error: {} is not a valid array'),
        (
            {"engines": {"node": 1}},
            DECODER + '"engines" with error: <EnginesDecoder> dictionary decoder failed at key "node" '
            "with error: 1 is not a valid string",
        ),
        ({"engines": "x"}, DECODER + '"engines" with error: "x" is not a valid EnginesDecoder'),
        (
            {"repository": {"url": "x"}},
            DECODER + '"repository" with error: <repositoryDecoder> decoder failed because {"url":"x"} '
            "can't be decoded with any of the provided oneOf decoders",
        ),
        (1, "1 is not a valid SequencePackageJSON"),
    ],
)
def test_messages_are_those_of_sth(tmp_path, content, message):
    if isinstance(content, dict) and content:
        content = {"main": "index.js", **content}
    with pytest.raises(PackageError) as caught:
        check(tmp_path, content)
    assert caught.value.code == "invalid-package-json"
    assert str(caught.value) == message


def test_messages_stay_short(tmp_path):
    for content in ({"main": ["x" * 5000]}, {"main": "m", "engines": {"x" * 5000: 1}}):
        with pytest.raises(PackageError) as caught:
            check(tmp_path, content)
        assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b'{\n  "main": x\n}', "line 2, column 11"),
        (b'{"main": "m",}', "line 1, column 14"),
        (b'{"main":\n"m"', "line 2, column 4"),
        (b"", "line 1, column 1"),
        (b'{"main": "\xff"}', "line 1, column 11"),
        (b'{"main": "m"} x', "line 1, column 16"),
        (b"[" * 200_000, "nested too deep"),
        (b'{"main": 1e999}', "out of range"),
    ],
)
def test_what_is_not_json_is_told_with_its_place(tmp_path, content, where):
    with pytest.raises(PackageError, match=where) as caught:
        check(tmp_path, content)
    assert caught.value.code == "bad-package-json"


def test_package_json_has_a_limit(tmp_path):
    check(tmp_path, b'{"main": "m"}'.ljust(1 << 20))
    with pytest.raises(PackageError) as caught:
        check(tmp_path, b'{"main": "m"}'.ljust((1 << 20) + 1))
    assert caught.value.code == "too-large"


def test_a_package_json_elsewhere_is_pointed_at(tmp_path):
    nested = targz(entry("package/package.json", PACKAGE_JSON), entry("package/index.js"))
    assert refused(nested, tmp_path) == "no-package-json"
    with pytest.raises(PackageError, match="there is one in 'package'"):
        unpacked(nested, tmp_path / "target")


@pytest.mark.parametrize("content", [None, "none", "/etc/passwd", "package.json"])
def test_a_package_json_has_to_be_a_file_inside(tmp_path, content):
    plant(tmp_path, {"package.json": content})
    with pytest.raises(PackageError) as caught:
        read_package_json(tmp_path)
    assert caught.value.code == "no-package-json"


def test_an_archive_has_to_have_package_json_and_main(tmp_path):
    assert refused(targz(entry("index.js")), tmp_path) == "no-package-json"
    assert refused(targz(), tmp_path) == "no-package-json"
    assert refused(targz(entry("package.json", b"{")), tmp_path) == "bad-package-json"
    assert refused(targz(entry("package.json", b"{}")), tmp_path) == "invalid-package-json"
    assert refused(targz(entry("package.json", PACKAGE_JSON)), tmp_path) == "no-main"
    assert refused(targz(entry("package.json", PACKAGE_JSON), link("index.js", "none")), tmp_path) == "no-main"


@pytest.mark.parametrize(
    ("main", "engines", "language"),
    [
        ("x.js", {"python3": "3"}, "py"),
        ("x.py", {"node": "16"}, "js"),
        ("x.py", {}, "py"),
        ("lib.d/x.mjs", None, "mjs"),
        ("lib.d/x", {"deno": "1"}, "unknown"),
        ("x.", None, "unknown"),
    ],
)
def test_language(main, engines, language):
    assert PackageJson(main=main, engines=engines).language == language


@pytest.mark.parametrize(
    ("main", "engines", "found"),
    [
        ("index.js", None, "index.js"),
        ("./lib//a.py", {"python3": ""}, "lib/a.py"),
        ("index", {"node": ""}, "index.js"),
        ("lib/m", None, "lib/m.mjs"),
        ("lib/c", None, "lib/c.cjs"),
        ("lib", None, "lib.js"),
        ("dir", None, "dir/index.js"),
        ("dir/", None, "dir/index.js"),
        (".", None, "index.js"),
        ("lib/../index.js", None, "lib/../index.js"),
        ("inside", None, "inside"),
    ],
)
def test_entrypoint(tmp_path, main, engines, found):
    files = ["index.js", "lib/a.py", "lib/m.mjs", "lib/c.cjs", "lib.js", "dir/index.js"]
    plant(tmp_path, {**dict.fromkeys(files, b""), "inside": "lib/a.py"})
    assert entrypoint(tmp_path, PackageJson(main=main, engines=engines)) == tmp_path / found


@pytest.mark.parametrize(
    "main",
    [
        "nope.py",
        "",
        "/etc/passwd",
        "../outside.js",
        "../outside",
        "link",
        "loop",
        "lib",
        "x\0",
        "x" * 100_000,
        "pipe",
    ],
)
@pytest.mark.parametrize("engine", ["python3", "node"])
def test_entrypoint_is_a_file_inside(tmp_path, main, engine):
    root = plant(tmp_path / "root", {"link": "../outside.js", "loop": "loop", "lib/x": b"", ".js": b""})
    plant(tmp_path, {"outside.js": b""})
    os.mkfifo(root / "pipe")
    with pytest.raises(PackageError) as caught:
        entrypoint(root, PackageJson(main=main, engines={engine: ""}))
    assert caught.value.code == "no-main"
    assert str(caught.value) == (
        f"Sequence entrypoint path {main[:200]} is invalid. Check `main` field in Sequence package.json"
    )


def test_an_absolute_main_is_refused_wherever_it_leads(tmp_path):
    plant(tmp_path, {"index.js": b""})
    with pytest.raises(PackageError):
        entrypoint(tmp_path, PackageJson(main=str(tmp_path / "index.js")))


def test_python_needs_the_extension(tmp_path):
    plant(tmp_path, {"index.js": b"", "main.py": b""})
    for main in ("index", "main"):
        with pytest.raises(PackageError):
            entrypoint(tmp_path, PackageJson(main=main, engines={"python3": ""}))


# --- properties

JUNK = _JUNK | {".", "..", ".siignore", "package.json", "index.js"}
part = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=60).filter(
    lambda name: name not in JUNK and not name.endswith(".pyc")
)
path = st.lists(part, min_size=1, max_size=4).map("/".join)


def planted(directory, files):
    """Plant what of the files can be: a path may need a directory where another has a file."""
    plant(directory, {"package.json": PACKAGE_JSON, "index.js": b""})
    for name, content in files.items():
        target = Path(directory, name)
        parents = [parent for parent in target.parents if Path(directory) in parent.parents]
        if not os.path.lexists(target) and not any(p.is_symlink() or p.is_file() for p in parents):
            plant(directory, {name: content})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files=st.dictionaries(path, st.none() | st.binary(max_size=2000), max_size=12), links=st.data())
def test_what_is_packed_is_what_is_unpacked(files, links):
    with tempfile.TemporaryDirectory() as box:
        planted(f"{box}/project", files)
        known = sorted(look(f"{box}/project"))
        for name, target in links.draw(st.dictionaries(path, st.sampled_from(known), max_size=4)).items():
            planted(f"{box}/project", {name: os.path.relpath(target, Path(name).parent)})
        unpack(io.BytesIO(packed(f"{box}/project")), f"{box}/target")
        assert look(f"{box}/target") == look(f"{box}/project")
        assert packed(f"{box}/target") == packed(f"{box}/project")


def survives(data):
    """Unpack what may be anything: a package or an error, and nothing outside is touched."""
    with tempfile.TemporaryDirectory() as box:
        plant(box, {"secret": b"secret", "x": b"x", "outside/y": b"y"})
        before = look(box)
        try:
            unpacked(data, f"{box}/target", max_unpacked_bytes=1 << 20)
        except PackageError as error:
            told = str(error)
            left = os.path.lexists(f"{box}/target")
        else:
            told, left = "", False
            root = os.path.realpath(f"{box}/target")
            for path in Path(root).rglob("*"):
                assert os.path.realpath(path).startswith(root + "/") or os.path.realpath(path) == root
                assert stat.S_ISREG(path.lstat().st_mode) or path.is_dir() or path.is_symlink()
        assert box not in told
        assert not left
        after = look(box)
        assert {name: content for name, content in after.items() if not name.startswith("target")} == before
        assert Path(box, "secret").stat().st_nlink == 1


RICH = b"".join(
    [
        entry("package.json", PACKAGE_JSON, pax={"mtime": "1.5"}),
        entry("index.js", b"// hi\n" * 100),
        entry("d" * 150 + "/" + "f" * 90, b"long"),
        entry("a/b/c", b"c", mode=0o755),
        hard_link("a/h", "a/b/c"),
        link("a/l", "b/c"),
        END,
    ]
)


@settings(max_examples=100, deadline=None)
@given(
    flips=st.lists(st.tuples(st.integers(0, len(RICH) - 1), st.integers(1, 255)), max_size=4),
    inside=st.booleans(),
)
@example(flips=[], inside=True)
def test_damage_does_no_harm(flips, inside):
    data = bytearray(RICH if inside else gzip.compress(RICH, mtime=0))
    for place, bits in flips:
        data[place % len(data)] ^= bits
    survives(gzip.compress(data, mtime=0) if inside else bytes(data))


@settings(max_examples=100, deadline=None)
@given(
    cut=st.integers(0, len(RICH)),
    more=st.binary(max_size=600),
    blocks=st.permutations(range(len(RICH) // 512)),
)
def test_cuts_and_mixed_up_blocks_do_no_harm(cut, more, blocks):
    survives(gzip.compress(RICH, mtime=0)[:cut] + more)
    survives(gzip.compress(RICH[:cut] + more, mtime=0))
    survives(gzip.compress(b"".join(RICH[512 * n : 512 * n + 512] for n in blocks)))


nasty = st.lists(st.sampled_from(["..", ".", "", "a", "b", "l", "m", "x", "secret", "outside"]), max_size=5).map(
    "/".join
)
kind = st.sampled_from([b"0", b"0", b"1", b"2", b"2", b"2", b"3", b"5", b"5", b"6", b"7", b"S"])
member = st.builds(
    lambda name, kind, target, data: entry(name, data if kind in b"07" else b"", kind, target),
    nasty, kind, nasty, st.binary(max_size=8),
)  # fmt: skip


@settings(max_examples=250, deadline=None)
@given(members=st.lists(member, max_size=8))
def test_no_members_do_harm(members):
    survives(targz(GOOD, *members))


harmless = st.lists(st.sampled_from(["a", "b", "l", "m", "n"]), min_size=1, max_size=3).map("/".join)
wayward = st.lists(st.sampled_from(["..", "..", ".", "a", "b", "l", "m", "n"]), min_size=1, max_size=5).map("/".join)


@settings(max_examples=200, deadline=None)
@given(links=st.dictionaries(harmless, wayward, min_size=1, max_size=5))
@example(links={"a/l": ".", "b/m": "../a/l/../..", "n": "b/m"})
def test_no_links_lead_outside(links):
    """Many of these are taken, other than those of the test above."""
    survives(targz(GOOD, entry("a/b/m"), entry("b/a"), *(link(*pair) for pair in links.items())))
