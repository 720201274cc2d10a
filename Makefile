# Everything runs in a virtual environment inside the checkout.
# `make help` lists the targets; needs Python >= 3.11 and make.

PYTHON ?= python3
VENV   ?= .venv
JOBS   ?= 2

BIN     := $(VENV)/bin
PIP     := $(BIN)/python -m pip install --quiet --disable-pip-version-check
STAMP   := $(VENV)/.installed
PYTESTS := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS)

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-browser test-bids test-slurm bench lint docs clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: $(STAMP)  ## the whole step on two computed subjects, into spinalprep-demo/
	$(BIN)/spinalprep demo

test: $(STAMP)-test  ## the fast tests, and the examples in the docstrings
	$(PYTESTS) -m 'not slow and not browser and not bids and not slurm' --doctest-modules spinalprep tests

test-slow: $(STAMP)-test  ## the long tests: whole runs, worst cases over many phantoms
	$(PYTESTS) -m slow tests

test-browser: $(STAMP)-test $(STAMP)-browser  ## the pages in a real browser; needs Chromium and chromedriver
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m browser tests/pages

test-bids: $(STAMP)-test $(STAMP)-bids  ## the derivatives' names before the BIDS validator
	$(PYTESTS) -m 'bids and not slow' tests

test-slurm: $(STAMP)-test  ## runs on a real Slurm cluster, started here; needs root, slurm-wlm and munge
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slurm tests/slurm

bench: $(STAMP)-test  ## what the engine costs, and 20 runs killed with -9; needs an idle machine
	$(BIN)/python benchmarks/engine.py
	OMP_NUM_THREADS=1 SPINALPREP_KILLS=20 $(BIN)/python -m pytest tests/cli/test_disturbed.py -k killed

lint: $(STAMP)-lint  ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

docs: $(STAMP)-docs  ## the documentation, into docs/_build/html/
	$(BIN)/python -m sphinx -E -W --keep-going -q -b html docs docs/_build/html
	@echo 'docs/_build/html/index.html'

clean:  ## remove the environment and everything built
	rm -rf $(VENV) build docs/_build spinalprep.egg-info .pytest_cache .ruff_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'Python 3.11 or newer is needed: make PYTHON=python3.12 …' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# one stamp per set of extras; a change in the metadata installs again
$(STAMP): $(BIN)/python pyproject.toml setup.cfg
	$(PIP) --editable .
	@touch $@

$(STAMP)-%: $(BIN)/python pyproject.toml setup.cfg
	$(PIP) --editable '.[$*]'
	@touch $@ $(STAMP)
