# Every target makes its own environment; nothing has to be installed first but Python 3.11, 3.12 or 3.13.

SHELL := /bin/bash
VENV ?= .venv
PYTHON ?= $(shell for p in python3.12 python3.11 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
UV := $(shell command -v uv 2>/dev/null)
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: run test quick long lint bench lab notebooks lock help

help:  ## Show the targets.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

run: $(READY)  ## Run the whole chain; ends with the before-and-after table.
	@$(BIN)/tunix-rt-nb run $(ARGS)

test: $(READY)  ## Run every test but the longest; the notebooks too, their stored outputs compared.
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not long"

quick: $(READY)  ## Run the tests that are quick: no training, no compilation, no notebook.
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

long: $(READY)  ## Run what takes an hour: 10,000 damaged copies of each file, compiles for Kaggle's TPU.
	TUNIX_RT_FUZZ=10000 $(BIN)/python -m pytest -n 2 -m "long or fuzz"

lint: $(READY)  ## Check format, style, the order of the rooms, types and workflows.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/zizmor --offline --pedantic --quiet .

bench: $(READY)  ## Run the benchmarks; NAMES="pack grade" chooses.
	$(BIN)/python -m tests.bench $(NAMES)

lab: $(READY)  ## Open the notebooks in JupyterLab.
	$(BIN)/jupyter lab --notebook-dir=notebooks

notebooks: $(READY)  ## Execute the notebooks in place, to renew their stored outputs.
	$(BIN)/python -m tests.renew notebooks

# reasoning-gym names pycosat, which has no wheel, for a puzzle that is not ours.
lock:  ## Resolve the dependencies anew (needs uv).
	uv pip compile --universal --fork-strategy fewest --python-version 3.11 --no-header --no-annotate \
		--no-emit-package pycosat --extra gym \
		--extra train --extra notebook --extra tpu --extra kaggle --extra test pyproject.toml -o requirements.lock

# The lock holds every version, so nothing has to be resolved: --no-deps.
$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed and was not found on PATH" >&2; exit 1; }
	@echo "Installing into $(VENV): some 2 GB, once, a few minutes."
ifdef UV
	@$(UV) venv --quiet --clear --python "$(PYTHON)" $(VENV)
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps -r requirements.lock -e .
else
	@"$(PYTHON)" -m venv --clear $(VENV)
	@set -o pipefail; $(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-compile \
		-r requirements.lock | awk -v all=$$(grep -c == requirements.lock) \
		'/^Collecting/ && ++n % 20 == 0 { print "  " n " of some " all " packages are here"; fflush() }'
	@echo "  all are here; they are compiled now"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@PYTHONWARNINGS=ignore $(BIN)/python -m compileall -q -j 0 $(VENV)/lib || true # on all cores, unlike pip
endif
	@touch $@
