# The two commands of the README. Both start from a fresh clone and need nothing but Python.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.PHONY: demo test lint format docs clean

demo: .venv/core
	$(BIN)/steeple demo

test: lint
	# A process per core; the tests of a file stay together, because they share what they built.
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --cov --cov-report=term-missing:skip-covered

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/dev
	$(BIN)/python -m steeple.cli.reference > docs/cli.md

# The light core: no torch, nothing optional.
.venv/core: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) install --constraint constraints.txt --editable .
	touch $@

# Every extra, and the tools of developers.
.venv/dev: .venv/core
	$(PIP) install --constraint constraints.txt "pip>=25.1"
	$(PIP) install --constraint constraints.txt --editable ".[all]" --group dev
	touch $@

clean:
	rm -rf .venv steeple-demo
