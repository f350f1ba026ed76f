"""Tables in terminals of any width: what can be typed is never cut."""

import io

import pytest
from rich.console import Console

from transform_hub.cli.table import table

IDS = ["470e81cb-d296-44b2-af9c-22f7191ac1a6", "470e81cb-ea37-44b2-af9c-22f7191ac1a6"]
HEADINGS = ("ID", "NAME", "READS", "STARTED", "DESCRIPTION")
ROWS = [
    (IDS[0], "zählen", "", "2026-11-25T12:43:12.992Z", "Splits running text into sentences and tells how hard each is"),
    (IDS[1], "計算", "", "2026-11-25T12:43:12.992Z", ""),
]


def lines(room, headings=HEADINGS, rows=ROWS, **options):
    console = Console(file=io.StringIO(), width=room)
    console.print(table(headings, rows, room, **options))
    return [line.rstrip() for line in console.file.getvalue().splitlines() if line.strip()]


@pytest.mark.parametrize("room", [40, 60, 80, 100, 120, 160])
def test_ids_are_whole_or_cut_to_starts_that_tell_them_apart(room):
    heading, _, *rows = lines(room)
    starts = [row.split()[0] for row in rows]
    assert heading.split()[0] == "ID"
    assert starts in (IDS, ["470e81cb-d", "470e81cb-e"])
    assert starts == IDS or room < 100
    assert max(map(len, lines(room))) <= room


def test_there_is_room_for_everything_or_else_the_widest_gives_way():
    assert "tells how hard each is" in lines(200)[2]
    assert "READS" in lines(200)[0]
    row = lines(120)[2]
    assert "zählen" in row
    assert "2026-11-25T12:43:12.992Z" in row
    assert row.endswith("…")
    assert "READS" not in lines(120)[0]


def test_names_are_never_cut_to_starts():
    name = "a-topic-of-a-long-name"
    assert name in lines(30, ("NAME", "CONTENT TYPE"), [(name, "application/x-ndjson")])[2]


def test_a_table_without_rows_has_its_headings():
    assert lines(20, rows=[])[0].split()[0] == "ID"


def test_figures_stand_below_each_other():
    rows = lines(80, ("ID", "CPU"), [("a", "5 %"), ("b", "100 %")], figures=1)
    assert rows[2].endswith("  5 %")
    assert rows[3].endswith("100 %")
