from pathlib import Path

from transform_hub.testing import LocalHub


def test_lines_are_numbered(hub: LocalHub) -> None:
    done = hub.run(Path(__file__).parent, input="one\ntwo\n", app_config={"count": 5})
    assert done.output == b"5: one\n6: two\n"
