# Everything a contributor or a curious reader needs; `make` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= auto

.DEFAULT_GOAL := help
.PHONY: help install demo check test test-slow bench docs

help:
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

install: $(STAMP) ## set up .venv from requirements.lock

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; name it: make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP) ## make a lab in demo/, train pipelines on real data, draw their curves
	$(BIN)/python examples/demo.py demo

check: $(STAMP) ## lint, format, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check ## every check and every test
	$(BIN)/pytest --numprocesses $(WORKERS)

test-slow: $(STAMP) ## the long proofs: kills, crowds, big labs
	$(BIN)/pytest -m slow --numprocesses $(WORKERS)

bench: $(STAMP) ## measure against bare baselines; prints a table of ratios
	$(BIN)/python -m benchmarks

docs: $(STAMP) ## write the generated pages and pictures in docs/
	$(BIN)/python docs/build.py
