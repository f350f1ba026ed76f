from pathlib import Path


def test_ticks_are_in_the_topic(hub):
    hub.send_sequence(Path(__file__).parent).start(args=[2])
    ticks = hub.topic("ticks").get().json()
    assert next(ticks) == {"tick": 0}
