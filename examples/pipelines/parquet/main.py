"""Takes a Parquet file of taxi trips and gives one with a row for each zone and hour.

Input is application/vnd.apache.parquet, and so is the output. A Parquet file is read from its end, so that it has to be
there as a whole: it is written to the Instance's own directory, from where polars reads the columns that it needs.

    args     [fewest]    leave out hours with fewer trips (default 1)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from transform_hub import Context, Input

provides = {"contentType": "application/vnd.apache.parquet"}


async def run(context: Context, input: Input[bytes], fewest: int = 1) -> pl.DataFrame:
    path = context.data_dir / "trips.parquet"
    with path.open("wb") as file:
        await input.write_to(file)
    context.logger.info("%s bytes have come", path.stat().st_size)

    hours = (
        pl.scan_parquet(path)
        .group_by("zone", hour=pl.col("started").dt.truncate("1h"))
        .agg(
            trips=pl.len(),
            km=pl.col("km").sum().round(1),
            income=(pl.col("fare") + pl.col("tip").fill_null(0)).sum().round(2),
        )
        .filter(pl.col("trips") >= fewest)
        .sort("hour", "zone")
    )
    return await hours.collect_async()
