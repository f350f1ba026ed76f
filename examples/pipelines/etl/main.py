"""Writes orders to a SQLite database, in batches, and what it still holds when it is stopped.

Input is application/x-ndjson. An order that comes again replaces the one before; what is no order goes to the table
`rejected`. When the input ends, or the Instance is stopped, the output says how many there were of each.

    args     database, [count, seconds]    its file, and when to write: after so many orders (default 500), or so long
                                           after the first of them (default 5)
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transform_hub import Context, Input

TABLES = """
CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, sku TEXT, quantity INTEGER, cents INTEGER);
CREATE TABLE IF NOT EXISTS rejected (line TEXT, reason TEXT);
"""


def order_of(value: Any) -> tuple[int, str, int, int]:
    """A row of the table `orders`.

    Raises:
        ValueError: it is none.
    """
    try:
        return int(value["id"]), str(value["sku"]), int(value["quantity"]), int(value["cents"])
    except KeyError as error:
        raise ValueError(f"{error} is missing") from None
    except TypeError as error:
        raise ValueError(str(error)) from None


def store(database: sqlite3.Connection, values: list[Any]) -> Counter[str]:
    counts = Counter[str]()
    with database:  # one transaction: all of the batch, or nothing
        for value in values:
            try:
                database.execute("INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?)", order_of(value))
                counts["stored"] += 1
            except (ValueError, OverflowError) as error:
                database.execute("INSERT INTO rejected VALUES (?, ?)", (json.dumps(value), str(error)))
                counts["rejected"] += 1
    return counts


async def run(
    context: Context, input: Input[Any], database: str, count: int = 500, seconds: float = 5
) -> dict[str, int]:
    if not Path(database).is_absolute():
        raise ValueError(f"the database has to be an absolute path, as the package is read-only: {database}")
    # At a stop the input ends if there is a handler, so that the last batch is written. Without one this is cancelled.
    context.set_stop_handler(lambda: context.logger.info("Stopping"))
    totals = Counter(stored=0, rejected=0)
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(TABLES)
        async for values in input.window(seconds=seconds, count=count):
            totals.update(store(connection, values))
            context.logger.info("Written: %s", dict(totals))
    return totals
