"""Runs that take minutes and put the Hub under stress: ``make stress``, see docs/reliability.md.

A scenario is a module with ``async def run(stage)``, which raises AssertionError where a promise is broken and tells
its figures otherwise. ``tests/test_stress.py`` runs all of them at a very small scale.
"""
