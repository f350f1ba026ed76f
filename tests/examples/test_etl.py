import json
import sqlite3
from contextlib import closing

import pytest

pytestmark = pytest.mark.slow
NDJSON = "application/x-ndjson"


def rows(path, query):
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


def order(number):
    return json.dumps({"id": number, "sku": "nut", "quantity": 2, "cents": 7}) + "\n"


def test_all_orders_are_stored_or_rejected(hub, example, tmp_path):
    path = tmp_path / "orders.db"
    lines = (example / "data" / "orders.ndjson").read_bytes()
    done = hub.run(example, args=[str(path), 64], input=lines, content_type=NDJSON, check=True)
    assert json.loads(done.output) == {"stored": 300, "rejected": 2}
    assert rows(path, "SELECT count(*) FROM orders") == [(298,)], "one is corrected, one came twice, two are none"
    assert rows(path, "SELECT quantity FROM orders WHERE id = 10") == [(99,)]
    rejected = [(json.loads(line)["id"], reason) for line, reason in rows(path, "SELECT * FROM rejected")]
    assert [number for number, _ in rejected] == [42, 200]
    assert [reason.split(":")[-1].strip() for _, reason in rejected] == ["'many'", "'sku' is missing"]


@pytest.mark.parametrize(
    "value",
    [
        "null",
        "5",
        '"text"',
        "[]",
        '{"id": null}',
        "{}",
        '{"id": 1e400}',
        '{"id": 99999999999999999999, "sku": "", "quantity": 1, "cents": 1}',
    ],
)
def test_what_is_no_order(hub, example, tmp_path, value):
    path = tmp_path / "orders.db"
    done = hub.run(example, args=[str(path)], input=f"{value}\n{order(1)}", content_type=NDJSON, check=True)
    assert json.loads(done.output) == {"stored": 1, "rejected": 1}


def test_a_stop_writes_what_is_left(hub, example, tmp_path):
    path = tmp_path / "orders.db"
    instance = hub.start(example, args=[str(path), 2, 3600])
    written = instance.get_log(follow=True).lines()
    with instance.open_input(NDJSON) as writer:
        writer.write(order(1) + order(2) + order(3))
        next(line for line in written if "'stored': 2" in line)
        assert rows(path, "SELECT id FROM orders") == [(1,), (2,)]
        instance.stop(timeout=20)
        assert json.loads(instance.get_output().read()) == {"stored": 3, "rejected": 0}
    assert instance.wait(timeout=60).reason == "Instance stopped"
    assert rows(path, "SELECT id FROM orders") == [(1,), (2,), (3,)]


def test_a_database_in_the_package(hub, example):
    done = hub.run(example, args=["orders.db"], input=order(1), content_type=NDJSON)
    assert done.returncode != 0
    assert b"absolute path" in done.stderr
