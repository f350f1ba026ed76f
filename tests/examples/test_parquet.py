import io

import pytest

from needs import needs

pytestmark = pytest.mark.slow
polars = needs("polars")
needs("pyarrow")


@pytest.mark.parametrize("fewest", [1, 12])
def test_a_file_comes_and_a_file_goes(hub, example, fewest):
    path = example / "data" / "trips.parquet"
    done = hub.run(
        example, args=[fewest], input=path.read_bytes(), content_type="application/vnd.apache.parquet", check=True
    )
    hours = polars.read_parquet(io.BytesIO(done.output))
    assert hours.schema == {
        "zone": polars.String,
        "hour": polars.Datetime("us"),
        "trips": polars.UInt32,
        "km": polars.Float64,
        "income": polars.Float64,
    }
    expected = {}
    for trip in polars.read_parquet(path).iter_rows(named=True):
        key = trip["started"].replace(minute=0, second=0), trip["zone"]
        trips, income = expected.get(key, (0, 0))
        expected[key] = trips + 1, income + trip["fare"] + (trip["tip"] or 0)
    expected = {key: row for key, row in expected.items() if row[0] >= fewest}
    assert [(row["hour"], row["zone"]) for row in hours.iter_rows(named=True)] == sorted(expected)
    for row in hours.iter_rows(named=True):
        trips, income = expected[row["hour"], row["zone"]]
        assert row["trips"] == trips
        assert row["income"] == pytest.approx(income, abs=0.006)


def test_what_is_no_parquet_file(hub, example):
    done = hub.run(example, input=b"zone,km\nzoo,3\n", content_type="application/vnd.apache.parquet")
    assert done.returncode != 0
    assert done.output == b""
    assert b"parquet" in done.stderr.lower()
