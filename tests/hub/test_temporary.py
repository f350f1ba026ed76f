"""What a Hub that was killed leaves in the directory of temporary files goes with the next one of the same user."""

import tempfile
from pathlib import Path

import pytest

from sth_process import Sth
from transform_hub.hub.temporary import LINK, remove_orphans, temporary_directory


@pytest.fixture
def place(monkeypatch):
    """The directory of temporary files: one of the test's own, with a path short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="place-") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


@pytest.mark.parametrize("option", ["--reattach", "--no-reattach"])
def test_the_next_hub_removes_what_one_that_was_killed_has_left(option, place, tmp_path):
    def start(name):
        hubs.append(Sth("-D", tmp_path / name, "-P", 0, option).run())
        return hubs[-1]

    def found():
        return {each for each in place.iterdir() if not each.name.startswith("sth-fdstore-")}

    hubs = []
    try:
        first = start("first")
        of_first = found()
        start("second")
        of_second = found() - of_first
        first.kill()
        assert found() == of_first | of_second
        third = start("third")
        assert found() & (of_first | of_second) == of_second
        third.end()
        assert found() == of_second
        assert hubs[1].get("/instances") == []
    finally:
        for hub in hubs:
            hub.kill()


def test_what_is_in_use_or_was_not_made_by_a_hub_stays(place, tmp_path):
    others = [place / name for name in ("sth-abcdefgh", "sth-startup-abcdefgh", "sth-other-abcdefgh", "abcdefgh")]
    for each in others[1:]:
        each.mkdir()
    (others[2] / "owner").touch()
    (others[3] / "owner").touch()
    (tmp_path / "owner").touch()
    others[0].symlink_to(tmp_path)
    with temporary_directory(LINK) as folder:
        remove_orphans()
        assert {*place.iterdir()} == {*others, folder}
        assert {*folder.iterdir()} == {folder / "owner"}
    assert {*place.iterdir()} == {*others}
    assert {*tmp_path.iterdir()} == {tmp_path / "owner"}
