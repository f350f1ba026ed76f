from pathlib import Path


def test_lines_become_capitals(hub):
    done = hub.run(Path(__file__).parent, input="one\ntwo\n")
    assert done.output == b"ONE\nTWO\n"
