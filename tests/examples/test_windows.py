import json
from statistics import mean

import pytest

from needs import needs

pytestmark = pytest.mark.slow
needs("pandas")


def test_windows_of_so_many_readings(hub, example):
    lines = (example / "data" / "readings.ndjson").read_text().splitlines(keepends=True)
    done = hub.run(example, args=[600, 250], input="".join(lines), content_type="application/x-ndjson", check=True)
    found = [json.loads(line) for line in done.output.splitlines()]
    assert [(row["sensor"], row["count"]) for row in found] == [
        (sensor, count)
        for counts in ((84, 83, 83), (83, 84, 83), (33, 33, 34))  # of 250, 250 and 100
        for sensor, count in zip(("attic", "cellar", "hall"), counts, strict=True)
    ]
    first = [json.loads(line) for line in lines[:250]]
    attic = [reading["celsius"] for reading in first if reading["sensor"] == "attic"]
    assert found[0] == {
        "sensor": "attic", "count": 84, "mean": pytest.approx(mean(attic), abs=0.006), "min": min(attic),
        "max": max(attic), "until": first[249]["at"],
    }  # fmt: skip


def test_a_window_ends_while_the_input_goes_on(hub, example):
    instance = hub.start(example, args=[0.2, 1000])
    with instance.inout("application/x-ndjson") as both:
        answers = both.lines()
        both.write('{"sensor": "attic", "celsius": 20, "at": "10:00"}\n')
        both.write('{"sensor": "attic", "celsius": 22, "at": "10:01"}\n')
        counted = 0
        while counted < 2:  # they may have come further apart than a window is long
            counted += json.loads(next(answers))["count"]
        assert counted == 2
        both.close_input()
    assert instance.wait(timeout=60).exitcode == 0
