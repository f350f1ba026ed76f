# Everything here works on a fresh machine with Python 3.10 or later; the standard library makes the .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test compat web stress soak lint fuzz bench sync docs clean

demo: .venv/installed
	$(BIN)/python examples/quickstart.py

test: .venv/installed-test
	$(BIN)/python -m pytest -n 4 --dist loadfile

# Clients, si and libraries of npm and PyPI with our Hub; fetched when it runs.
compat: .venv/installed-test
	$(BIN)/python -m pytest -n 2 tests/compat/published

# Pages in Chromium, and nginx and HAProxy before a Hub: apt-get install chromium nginx haproxy.
web: .venv/installed-test
	$(BIN)/python -m pytest -n 2 tests/web

# Some of it in a quarter of the time: make stress STRESS_SCALE=quick
stress: .venv/installed-test
	cd tests && ../$(BIN)/python -m stress --write ../docs/reliability.md

# Work of all kinds for half an hour; draws memory, descriptors and latency.
soak: .venv/installed-test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check matplotlib
	cd tests && ../$(BIN)/python -m stress.soak --minutes $(or $(MINUTES),30) --picture ../docs/soak.svg

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	tools/js/lint

sync: .venv/installed-dev
	PYTHONPATH=tools $(BIN)/python -m make_sync

docs: .venv/installed-test
	$(BIN)/python -m transform_hub.cli.reference docs/si.md docs/si.1 docs/hub.md
	WRITE_DOCS=1 $(BIN)/python -m pytest -q tests/cli/test_docs.py tests/conformance

fuzz: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check atheris
	for name in unpack package_json control messages records rings http_requests; do \
	    $(BIN)/python tests/fuzz/run.py $$name -max_total_time=$(or $(SECONDS),60) -max_len=16384 || exit 1; done

bench: .venv/installed
	$(BIN)/python benchmarks/run.py docs/performance.md

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

.venv/installed-test: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@

.venv/installed-test-data: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test-data]'
	touch $@

.venv/installed-dev: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

clean:
	rm -rf .venv .nox dist build .pytest_cache .mypy_cache .ruff_cache
