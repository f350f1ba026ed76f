from pathlib import Path

from transform_hub.testing import LocalHub


def test_ticks_are_in_the_topic(hub: LocalHub) -> None:
    hub.start(Path(__file__).parent, args=[2])
    ticks = hub.client.topic("ticks").get().json()
    assert next(ticks) == {"tick": 0}
