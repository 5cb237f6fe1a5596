# `make help` lists the targets. They work from any folder: make -C path/to/project reproduce
.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= python3.11
VENV ?= .venv
VLLM_VENV ?= .venv-vllm
GPU_VENV ?= .venv-gpu
CORES ?= $(shell getconf _NPROCESSORS_ONLN)
STUDY ?= lab
# A folder with the authors' files, for `make audit` without a network (docs/audit.md); not from the
# environment, where the name means all sorts of things.
MIRROR =
SNAKEMAKE_ARGS ?=
PYTEST_ARGS ?=
# So many files at a time; all share one finished run of the smoke study.
WORKERS ?= 2

PY := $(VENV)/bin/python
SNAKEMAKE = $(PY) -m retu.workflow.snakemake_command --cores $(CORES) $(SNAKEMAKE_ARGS)

# Rules call plain `python`; nothing may reach for the network, phone home or depend on hash order.
export PATH := $(abspath $(VENV))/bin:$(PATH)
export HF_HUB_OFFLINE := 1
export OMP_NUM_THREADS := 1
export TOKENIZERS_PARALLELISM := false
export PYTHONHASHSEED := 0
export DO_NOT_TRACK := 1
export DVC_NO_ANALYTICS := 1
export MPLBACKEND := Agg

# `make reproduce study=smoke` would run the lab: variables are upper-case, and these are all.
VARIABLES := PYTHON VENV VLLM_VENV GPU_VENV CORES STUDY MIRROR SNAKEMAKE_ARGS PYTEST_ARGS WORKERS SHELL MAKEFLAGS
given = $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
UNKNOWN := $(filter-out $(VARIABLES),$(given))
ifneq ($(UNKNOWN),)
$(error $(firstword $(UNKNOWN))=$($(firstword $(UNKNOWN))): make knows no such variable; there are \
$(filter-out SHELL MAKEFLAGS,$(VARIABLES)), as in: make reproduce STUDY=smoke)
endif

.PHONY: help audit setup-analysis reproduce setup smoke rehearse lint test test-slurm test-vllm \
	test-gpu findings docs clean distclean

help: ## list the targets
	@awk -F ':.*## ' '/^##@ / { print "\n" substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-16s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Look at the paper's numbers (no training: set-up a minute, then another)

audit: setup-analysis ## refit and judge what the authors released (MIRROR=FOLDER: without a network)
	@$(SNAKEMAKE) --config study=released $(if $(MIRROR),'mirror=$(MIRROR)')
	@echo "Tables of the paper: $(CURDIR)/results/released/tables (table_4.md and others)"
	@echo "One number:          $(VENV)/bin/retu claim table 4 hard 1080"

setup-analysis: ## build .venv from envs/light.txt, without torch: 500 MB, about a minute, once
	@envs/setup.sh "$(PYTHON)" "$(VENV)" envs/light.txt envs/dev.txt

##@ Run a study

reproduce: setup ## run the lab study end to end (STUDY=..., CORES=...) and print its results
	@$(SNAKEMAKE) --config study=$(STUDY)

setup: ## build or repair .venv from envs/dev.txt: 4 GB, two to three minutes, once
	@envs/setup.sh "$(PYTHON)" "$(VENV)" envs/dev.txt

smoke: setup ## run every rule once with seconds of training
	@$(SNAKEMAKE) --config study=smoke

rehearse: setup ## take the paper study's path with tiny models made here, on the CPU (minutes)
	$(PY) -m retu.rehearsal.make_mirror --study rehearsal --out mirror/rehearsal
	@$(SNAKEMAKE) --config study=rehearsal mirror=mirror/rehearsal

##@ Check a change

lint: setup ## check style, formatting and types
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m snakefmt --check Snakefile rules

test: lint ## lint, then all tests (PYTEST_ARGS="-k grading")
	$(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

# Everything must take one ninja: another version would compile DeepSpeed's extension again.
test-slurm: setup ## test on a real SLURM with pretended GPUs, or say in a line why not
	@$(PY) tests/cluster/local_slurm.py $(SHELL) -c \
		'envs/layer.sh $(VENV) $(VENV)-cluster envs/cluster.txt && \
		export PATH=$(abspath $(VENV))-cluster/bin:$$PATH \
			TORCH_EXTENSIONS_DIR=$(abspath $(VENV))-cluster/extensions && \
		exec $(VENV)-cluster/bin/python -m pytest -n 3 --dist worksteal tests/cluster $(PYTEST_ARGS)'

test-vllm: ## test generation and RL with a real vLLM on the CPU (builds .venv-vllm, 3 GB)
	@envs/vllm_cpu.sh "$(PYTHON)" "$(VLLM_VENV)" || { s=$$?; [ $$s = 3 ] && exit 0; exit $$s; }; \
	PYTHONPATH=. "$(VLLM_VENV)/bin/python" -m pytest --noconftest tests/vllm_cpu $(PYTEST_ARGS)

test-gpu: ## test training and generation on one NVIDIA GPU, or say in a line why not
	@tests/gpu/run.sh "$(GPU_VENV)" "$(VENV)" $(PYTEST_ARGS)

findings: ## run the self-checking scripts on surprises of libraries (outside the tests; minutes)
	@for script in findings/*.sh; do echo "== $$script"; bash "$$script" || exit 1; done

docs: setup ## build the documentation site into build/site, without a network
	@NO_MKDOCS_2_WARNING=1 PYTHONPATH=. $(PY) -m mkdocs build --strict --quiet
	@echo "Site: $(CURDIR)/build/site/index.html (with search: $(PY) -m http.server -d build/site)"

##@ Tidy up

clean: ## remove caches and build leftovers; data, results and checkpoints stay
	rm -rf .mypy_cache .pytest_cache .ruff_cache build *.egg-info
	find envs retu tests workflow_scripts -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## also remove .venv, .venv-cluster and .venv-vllm
	rm -rf "$(VENV)" "$(VENV)-cluster" "$(VLLM_VENV)"
