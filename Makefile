# paxoskv: `make help` lists what there is. Everything is installed in .venv, nothing outside this directory.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup run test check fix mutants fuzz prove clean

BIN := .venv/bin
INSTALLED := .venv/.installed
# What to look for, the version in .ci/constraints.txt first; `make setup PYTHON=/path/to/python` decides otherwise.
PYTHON ?=
PYTHONS := $(or $(PYTHON),python3.11 python3 python3.12 python3.13 python3.14)
# Test processes; the tests are written for any number.
WORKERS ?= 2
# Simulated lives per mutant, to count the seeds that it takes; 0 for none.
MUTANT_SEEDS ?= 0
FUZZ_INPUTS ?= 1000000
PROVE_SEEDS ?= 20000
PROVE_SECONDS ?= 300

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(INSTALLED)  ## make .venv with paxoskv and the tools; again only when pyproject.toml or the versions change

run: $(INSTALLED)  ## set-up, then a 3-node cluster in the foreground, data in ./.paxoskv; Ctrl-C stops it
	@exec $(BIN)/paxoskv cluster up --dir .paxoskv

test: $(INSTALLED)  ## set-up, then all tests
	@exec $(BIN)/python -m pytest -n $(WORKERS)

check: $(INSTALLED)  ## format, lint, types, tests; changes no file
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/python -m pytest -n $(WORKERS)

fix: $(INSTALLED)  ## repair what the linter can, and format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

mutants: $(INSTALLED)  ## break the rules of the protocol one at a time; every mutant has to be killed by a test
	@exec $(BIN)/python -m scripts.mutants --jobs $(WORKERS) --seeds $(MUTANT_SEEDS)

fuzz: $(INSTALLED)  ## feed every port and decoder with mutated frames; FUZZ_INPUTS=10000000 for a long run
	@exec $(BIN)/python -m scripts.fuzz --jobs $(WORKERS) --inputs $(FUZZ_INPUTS)

prove: $(INSTALLED)  ## the long forms of all proofs, hours: simulated lives, tormented clusters, exhaustive runs, mutants, fuzzing
	$(BIN)/paxoskv simulate --seeds $(PROVE_SEEDS)
	for nodes in 3 5; do $(BIN)/paxoskv verify --nodes $$nodes --seconds $(PROVE_SECONDS); done
	$(BIN)/paxoskv verify --exhaustive syncs
	$(BIN)/paxoskv verify --exhaustive bytes
	$(MAKE) mutants MUTANT_SEEDS=300
	$(MAKE) fuzz FUZZ_INPUTS=10000000

clean:  ## remove .venv and caches; never the data in ./.paxoskv
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	find paxoskv tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is written last: an interrupted or failed installation leaves none and is done again.
$(INSTALLED): pyproject.toml .ci/constraints.txt
	@rm -f $@
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
	python="$$(.ci/find-python $(PYTHONS))"; \
	echo "making .venv with $$python"; \
	"$$python" -m venv --clear .venv; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c .ci/constraints.txt -e '.[dev]' || \
	{ echo "make: the installation failed; the reason is above. pip uses your own configuration: pip config list" >&2; exit 1; }
	@touch $@
