from pathlib import Path


def test_ticks_are_in_the_topic(hub):
    hub.start(Path(__file__).parent, args=[2])
    ticks = hub.client.topic("ticks").get().json()
    assert next(ticks) == {"tick": 0}
