from pathlib import Path


def test_numbers_are_added_up(hub):
    instance = hub.send_sequence(Path(__file__).parent).start()
    hub.topic("numbers").send(b"1\n2\n")
    lines = instance.get_output().lines()
    assert [next(lines), next(lines)] == ["1", "3"]
