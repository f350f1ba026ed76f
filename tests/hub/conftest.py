from sth_process import sth  # noqa: F401 - a fixture
