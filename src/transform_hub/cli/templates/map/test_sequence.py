from pathlib import Path

from transform_hub.testing import LocalHub


def test_lines_become_capitals(hub: LocalHub) -> None:
    done = hub.run(Path(__file__).parent, input="one\ntwo\n")
    assert done.output == b"ONE\nTWO\n"
