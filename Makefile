# `make help` lists the targets. They work from any folder: make -C path/to/project reproduce
.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= python3.11
VENV ?= .venv
CORES ?= $(shell getconf _NPROCESSORS_ONLN)
STUDY ?= lab
SNAKEMAKE_ARGS ?=
PYTEST_ARGS ?=

PY := $(VENV)/bin/python
SNAKEMAKE = $(PY) -m snakemake --cores $(CORES) $(SNAKEMAKE_ARGS)

# Rules call plain `python`; nothing may reach for the network, phone home or depend on hash order.
export PATH := $(abspath $(VENV))/bin:$(PATH)
export HF_HUB_OFFLINE := 1
export OMP_NUM_THREADS := 1
export TOKENIZERS_PARALLELISM := false
export PYTHONHASHSEED := 0
export DO_NOT_TRACK := 1
export DVC_NO_ANALYTICS := 1
export MPLBACKEND := Agg

.PHONY: help setup reproduce smoke test lint clean distclean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

setup: ## build or repair .venv from envs/dev.txt; does nothing when it is current
	@envs/setup.sh "$(PYTHON)" "$(VENV)" envs/dev.txt

reproduce: setup ## run the lab study end to end (STUDY=..., CORES=...) and print its results
	$(SNAKEMAKE) --quiet host reason --config study=$(STUDY)
	@echo "Report: $(CURDIR)/results/$(STUDY)/report.html"

smoke: setup ## run every rule once with seconds of training
	$(SNAKEMAKE) --config study=smoke

lint: setup ## check style, formatting and types
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m snakefmt --check Snakefile rules

test: lint ## lint, then all tests (PYTEST_ARGS="-k grading")
	$(PY) -m pytest $(PYTEST_ARGS)

clean: ## remove caches and build leftovers; data, results and checkpoints stay
	rm -rf .mypy_cache .pytest_cache .ruff_cache build *.egg-info
	find envs tests workflow_scripts -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## also remove .venv
	rm -rf "$(VENV)"
