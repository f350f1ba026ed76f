from pathlib import Path


def test_numbers_are_added_up(hub):
    instance = hub.start(Path(__file__).parent)
    hub.client.topic("numbers").send(b"1\n2\n")
    lines = instance.get_output().lines()
    assert [next(lines), next(lines)] == ["1", "3"]
