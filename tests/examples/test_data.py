"""The data of the examples is what their script makes."""

import importlib.util
from pathlib import Path

import pytest

from needs import needs

PIPELINES = Path(__file__).parents[2] / "examples" / "pipelines"


@pytest.fixture
def make_data():
    spec = importlib.util.spec_from_file_location("make_data", PIPELINES / "make_data.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_text_files(make_data, tmp_path):
    make_data.write_text_files(tmp_path)
    made = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.glob("*/data/*")}
    assert len(made) == 6
    assert made == {path: (PIPELINES / path).read_text() for path in made}


def test_trips(make_data):
    pl = needs("polars")
    assert pl.read_parquet(PIPELINES / "parquet/data/trips.parquet").equals(pl.DataFrame(make_data.trips()))


def test_images(make_data, tmp_path):
    image = needs("PIL.Image")
    make_data.draw(tmp_path)
    for path in tmp_path.iterdir():
        with image.open(path) as made, image.open(PIPELINES / "thumbnails/data" / path.name) as shipped:
            assert made.size == shipped.size
