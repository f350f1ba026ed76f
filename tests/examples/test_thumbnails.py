import importlib.util

import pytest

from needs import needs

pytestmark = pytest.mark.slow
Image = needs("PIL.Image")


@pytest.fixture
def feed(example):
    spec = importlib.util.spec_from_file_location("feed_of_thumbnails", example / "feed.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_from_topic_to_topic(hub, example, feed, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("SCRAMJET_HUB_URL", hub.url)
    hub.start(example, args=[64])
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nand no more")
    feed.main(str(tmp_path), *map(str, sorted(example.glob("data/*.png"))), str(broken))
    said = capsys.readouterr().out.splitlines()
    assert said[:3] == ["hills.png", "pond.png", "tower.png"]
    assert said[3:] == ["broken.png is no image"]
    sizes = {}
    for name in said[:3]:
        with Image.open(tmp_path / name) as image:
            sizes[name] = image.size
    assert sizes == {"hills.png": (64, 48), "pond.png": (64, 28), "tower.png": (27, 64)}
