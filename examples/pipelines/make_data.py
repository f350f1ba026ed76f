"""Makes the data of these examples, the same each time: ``python make_data.py`` (needs polars and Pillow)."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

HERE = Path(__file__).parent
MONDAY = datetime(2026, 3, 2, 6)  # noqa: DTZ001 - local time, as taxis and sensors tell it


def customers() -> dict[str, dict[str, Any]]:
    random = Random(1)
    countries, tiers = ["PL", "DE", "FR", "ES"], ["basic", "basic", "plus", "pro"]
    return {
        f"C{number:02}": {"country": random.choice(countries), "tier": random.choice(tiers)} for number in range(1, 13)
    }


def orders_to_enrich() -> list[dict[str, Any]]:
    random = Random(2)
    orders = [
        {"order": 1000 + number, "customer": f"C{random.randint(1, 12):02}", "total": random.randint(500, 20_000) / 100}
        for number in range(40)
    ]
    orders[17]["customer"] = "C99"  # whom nobody knows
    return orders


def trips() -> dict[str, list[Any]]:
    random = Random(3)
    zones = ["airport", "centre", "harbour", "university", "zoo"]
    columns: dict[str, list[Any]] = {"started": [], "zone": [], "km": [], "fare": [], "tip": []}
    for number in range(3000):
        km = round(random.uniform(0.8, 24), 1)
        columns["started"].append(MONDAY + timedelta(seconds=57 * number))
        columns["zone"].append(random.choice(zones))
        columns["km"].append(km)
        columns["fare"].append(round(2.5 + 1.2 * km, 2))
        columns["tip"].append(None if random.random() < 0.6 else float(random.randint(1, 5)))
    return columns


def temperatures() -> list[dict[str, Any]]:
    random = Random(4)
    return [
        {
            "at": (MONDAY + timedelta(seconds=number)).isoformat(),
            "sensor": ("attic", "cellar", "hall")[number % 3],
            "celsius": round((24, 11, 19)[number % 3] + 2 * math.sin(number / 60) + random.uniform(-0.5, 0.5), 2),
        }
        for number in range(600)
    ]


def machines(seed: int, count: int) -> list[dict[str, Any]]:
    random = Random(seed)
    found: list[dict[str, Any]] = []
    for number in range(count):
        worn = random.random() < 0.3
        found.append(
            {
                "machine": f"M{number:03}",
                "celsius": round(random.uniform(70, 95) if worn else random.uniform(50, 78), 1),
                "vibration": round(random.uniform(3, 7) if worn else random.uniform(0.5, 4), 2),
                "hours": random.randint(3000, 9000) if worn else random.randint(0, 6000),
                "failed": int(worn),
            }
        )
    return found


def orders_to_store() -> list[dict[str, Any]]:
    random = Random(6)
    skus = ["bolt", "cog", "gear", "nut", "spring"]
    orders: list[dict[str, Any]] = [
        {"id": number, "sku": random.choice(skus), "quantity": random.randint(1, 20), "cents": random.randint(5, 900)}
        for number in range(1, 301)
    ]
    orders[41]["quantity"] = "many"  # what a source does
    del orders[199]["sku"]
    return [*orders, {**orders[9], "quantity": 99}, orders[11]]  # a correction, and one that comes twice


def draw(folder: Path) -> None:
    from PIL import Image, ImageDraw  # noqa: PLC0415 - the text files need no packages

    for number, (name, size) in enumerate({"hills": (640, 480), "tower": (300, 700), "pond": (900, 400)}.items()):
        image = Image.linear_gradient("L").resize(size).convert("RGB")
        pen = ImageDraw.Draw(image)
        for ring in range(8, 0, -1):
            reach = ring * min(size) // 18
            box = (size[0] // 2 - reach, size[1] // 2 - reach, size[0] // 2 + reach, size[1] // 2 + reach)
            pen.ellipse(box, fill=(30 * ring, 90 + 20 * number, 255 - 30 * ring))
        image.save(folder / f"{name}.png", optimize=True)


def write_ndjson(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_text_files(folder: Path) -> None:
    """All but Parquet and images, which every version of a package writes in its own way."""
    for name in ("enrich", "windows", "scorer", "etl"):
        (folder / name / "data").mkdir(parents=True, exist_ok=True)
    (folder / "enrich/data/customers.json").write_text(json.dumps(customers(), indent=1) + "\n", encoding="utf-8")
    write_ndjson(folder / "enrich/data/orders.ndjson", orders_to_enrich())
    write_ndjson(folder / "windows/data/readings.ndjson", temperatures())
    write_ndjson(folder / "etl/data/orders.ndjson", orders_to_store())
    history, today = machines(5, 500), machines(7, 250)
    with (folder / "scorer/data/history.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(history[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
    without_answer = [{key: value for key, value in row.items() if key != "failed"} for row in today]
    write_ndjson(folder / "scorer/data/readings.ndjson", without_answer)


def main() -> None:
    import polars as pl  # noqa: PLC0415

    write_text_files(HERE)
    pl.DataFrame(trips()).write_parquet(HERE / "parquet/data/trips.parquet")
    draw(HERE / "thumbnails/data")


if __name__ == "__main__":
    main()
