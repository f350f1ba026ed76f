from pathlib import Path

from transform_hub.testing import LocalHub


def test_numbers_are_added_up(hub: LocalHub) -> None:
    instance = hub.start(Path(__file__).parent)
    hub.client.topic("numbers").send(b"1\n2\n")
    lines = instance.get_output().lines()
    assert [next(lines), next(lines)] == ["1", "3"]
