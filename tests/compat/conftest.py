"""Sequences of a few lines, as the tests of the runners start them."""

from runner.conftest import js, launch, launch_js, log  # noqa: F401 - fixtures
