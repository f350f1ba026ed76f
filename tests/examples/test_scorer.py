import csv
import json

import pytest

from needs import needs

pytestmark = pytest.mark.slow
needs("sklearn")


def score(hub, example, readings, **options):
    lines = "".join(json.dumps(reading) + "\n" for reading in readings)
    done = hub.run(example, input=lines, content_type="application/x-ndjson", check=True, **options)
    return [json.loads(line) for line in done.output.splitlines()]


def test_batches_of_any_size_score_the_same(hub, example):
    readings = [json.loads(line) for line in (example / "data" / "readings.ndjson").read_text().splitlines()]
    scores = score(hub, example, readings)
    assert [row["machine"] for row in scores] == [reading["machine"] for reading in readings]
    assert all(0 <= row["risk"] <= 1 and row["alarm"] is (row["risk"] > 0.8) for row in scores)
    assert score(hub, example, readings, args=[7]) == scores


def test_it_knows_those_that_failed(hub, example):
    with (example / "data" / "history.csv").open() as file:
        history = list(csv.DictReader(file))
    scores = score(hub, example, history)
    right = sum((row["risk"] > 0.5) == (machine["failed"] == "1") for row, machine in zip(scores, history, strict=True))
    assert right / len(history) > 0.95
