"""Each scenario of the stress runs at a very small scale, so that ``make stress`` works when somebody wants it."""

import random
from importlib import import_module
from pathlib import Path

import pytest

from stress.__main__ import SCENARIOS
from stress.numbered import Arrived, batches
from stress.report import BEGIN, END, Result, write
from stress.soak import soak
from stress.stage import SCALES, Skipped, Stage

DOCUMENT = Path(__file__).parent.parent / "docs" / "reliability.md"


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_scenario_keeps_its_promises(name, tmp_path):
    stage = Stage(SCALES["tiny"], tmp_path, random.Random(1))
    try:
        await import_module(f"stress.{name}").run(stage)
    except Skipped as reason:
        pytest.skip(str(reason))
    assert stage.rows


@pytest.mark.slow
async def test_a_short_soak(tmp_path):
    try:
        samples, done = await soak(tmp_path, 2, 1, random.Random(1))
    except Skipped as reason:
        pytest.skip(str(reason))
    assert len(done) == 6
    assert samples[-1].hub > samples[-1].zygote > 0


def chunks(count=10):
    return list(batches("w", count, 2))


def test_lines_that_came_once_are_whole():
    Arrived.of(b"".join(chunks())).check_whole("w", 10)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:1] + data[2:],
        lambda data: [*data[:3], *data[2:]],
        lambda data: [data[0], data[2], data[1], *data[3:]],
        lambda data: data[:-1],
        lambda data: [*data[:-1], data[-1][:-5]],
    ],
    ids=["missing", "twice", "out of order", "cut", "torn"],
)
def test_lines_that_did_not_are_noticed(spoil):
    with pytest.raises(AssertionError):
        Arrived.of(b"".join(spoil(chunks()))).check_whole("w", 10)


def test_a_gapless_beginning_may_be_torn_at_its_end():
    arrived = Arrived.of(b"".join(chunks())[:-150])
    assert arrived.check_begin("w", 10) == 8
    assert arrived.torn == 1


def test_a_gap_is_no_beginning():
    data = chunks()
    with pytest.raises(AssertionError, match="missing"):
        Arrived.of(b"".join(data[:2] + data[3:])).check_begin("w", 10)


def test_the_table_takes_its_place(tmp_path):
    document = tmp_path / "page.md"
    document.write_text(f"before\n{BEGIN}old\n{END}after\n")
    first = Result("a scenario", 7, 0.5, 1.0, [("lines", "5", "each once"), ("more", "6", "")])
    second = Result("another (of them)", 7, 0.5, 1.0, [("lines", "8", "")], "BROKEN: one | more")
    write(document, [first, second], "tiny")
    text = document.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| a scenario (1 s, seed 7, load 0.5) | lines | 5 | each once |\n|  | more | 6 |  |\n| another" in text
    assert "BROKEN: one / more" in text


def test_a_scenario_that_runs_again_replaces_its_rows_alone(tmp_path):
    document = tmp_path / "page.md"
    document.write_text(f"{BEGIN}{END}")
    write(document, [Result(title, 7, 0.5, 1.0, [(title, "5", "")]) for title in ("one", "two")], "tiny")
    write(document, [Result("one", 8, 0.5, 1.0, [("anew", "6", "")])], "tiny")
    text = document.read_text()
    assert "| one (1 s, seed 8, load 0.5) | anew | 6 |  |\n| two (1 s, seed 7, load 0.5) | two | 5 |  |\n" in text
    assert text.count("scenario | what") == 1


def test_the_document_has_a_place_for_it():
    assert BEGIN in DOCUMENT.read_text()
    assert END in DOCUMENT.read_text()
