"""Tells how likely machines are to fail, from their readings.

Input and output are application/x-ndjson. The model is trained on data/history.csv when the Instance starts.

    args     [size]    readings that are scored at once (default 100)
"""

from __future__ import annotations

import asyncio
import csv
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

if TYPE_CHECKING:
    from transform_hub import Context, Input

FEATURES = ["celsius", "vibration", "hours"]
HISTORY = Path(__file__).parent / "data" / "history.csv"


def features(rows: list[dict[str, Any]]) -> list[list[float]]:
    return [[float(row[name]) for name in FEATURES] for row in rows]


def untrained() -> Any:  # scikit-learn's own types are vague
    return Pipeline([("scaler", StandardScaler()), ("classifier", LogisticRegression())])


def train() -> Any:
    with HISTORY.open(encoding="utf-8", newline="") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    return untrained().fit(features(rows), [int(row["failed"]) for row in rows])


async def run(context: Context, input: Input[dict[str, Any]], size: int = 100) -> AsyncIterator[dict[str, Any]]:
    model = await asyncio.to_thread(train)
    context.logger.info("The model is trained")
    async for readings in input.batch(size):
        # In a thread: events, health and stop are answered while it computes.
        risks = await asyncio.to_thread(model.predict_proba, features(readings))
        for reading, risk in zip(readings, risks[:, 1].round(3), strict=True):
            yield {"machine": reading["machine"], "risk": risk, "alarm": risk > 0.8}
