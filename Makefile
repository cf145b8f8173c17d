# Every target makes its own environment; nothing has to be installed first but Python 3.11, 3.12 or 3.13.

SHELL := /bin/bash
VENV ?= .venv
PYTHON ?= $(shell for p in python3.12 python3.11 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
UV := $(shell command -v uv 2>/dev/null)
BIN := $(VENV)/bin
READY := $(VENV)/.ready
READY_RUN := $(VENV)/.ready-run

.PHONY: run test quick long lint bench lab notebooks lock help

help:  ## Show the targets.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

run: $(READY_RUN)  ## Run the whole chain; ends with the before-and-after table.
	@$(BIN)/tunix-rt-nb run $(ARGS)

test: $(READY)  ## Run every test but the longest, the notebooks too; tell how much of the code they cover.
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not long" --cov --cov-report=

quick: $(READY)  ## Run the tests that are quick: no training, no compilation, no notebook.
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

long: $(READY)  ## Run what takes an hour: 10,000 damaged copies of each file, 1,000 examples of each property.
	TUNIX_RT_FUZZ=10000 $(BIN)/python -m pytest -n 2 -m "long or fuzz"
	TUNIX_RT_EXAMPLES=1000 $(BIN)/python -m pytest -n 2 -m "not slow"
	$(BIN)/python -m tests.kills

lint: $(READY)  ## Check format, style, the order of the rooms, types and workflows.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/zizmor --offline --pedantic --quiet .

bench: $(READY)  ## Run the benchmarks; NAMES="pack grade" chooses.
	$(BIN)/python -m tests.bench $(NAMES)

lab: $(READY_RUN)  ## Open the notebooks in JupyterLab.
	$(BIN)/jupyter lab --notebook-dir=notebooks

notebooks: $(READY)  ## Execute the notebooks in place, to renew their stored outputs.
	$(BIN)/python -m tests.renew notebooks

# Left out: pycosat, which has no wheel and serves a puzzle that is not ours; numba with llvmlite,
# 200 MB that Tunix names but never imports; rfc3987-syntax, which would take 1.5 s whenever a
# notebook is opened, to check addresses that no notebook has.
LOCK := uv pip compile --universal --fork-strategy fewest --python-version 3.11 --no-header --no-annotate \
	$(addprefix --no-emit-package ,pycosat numba llvmlite rfc3987-syntax) $(addprefix --extra ,gym train notebook kaggle)

lock:  ## Resolve the dependencies anew (needs uv).
	$(LOCK) pyproject.toml -o requirements.lock
	$(LOCK) --extra tpu --extra test -c requirements.lock pyproject.toml -o requirements-test.lock
	@added=$$(grep -vxFf requirements.lock requirements-test.lock) && echo "$$added" > requirements-test.lock

# The locks hold every version, so nothing has to be resolved: --no-deps.
ifdef UV
NEW := $(UV) venv --quiet --python "$(PYTHON)"
PIP := $(UV) pip install --python $(BIN)/python --no-deps
define install
	@$(PIP) --quiet -r $(1)
endef
else
NEW := "$(PYTHON)" -m venv
PIP := $(BIN)/python -m pip install --disable-pip-version-check --no-deps
define install
	@set -o pipefail; $(PIP) --no-compile -r $(1) | awk -v all=$$(grep -c == $(1)) \
		'/^Collecting/ && ++n % 20 == 0 { print "  " n " of some " all " packages are here"; fflush() }'
endef
endif

# What running takes. Python compiles what is imported when it is: all at once would be 400 MB more.
$(READY_RUN): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed and was not found on PATH" >&2; exit 1; }
	@echo "Installing into $(VENV): some 1.5 GB, once, a few minutes."
	@$(NEW) --clear $(VENV)
	$(call install,requirements.lock)
	@$(PIP) --quiet -e .
	@touch $@

$(READY): $(READY_RUN) requirements-test.lock
	@echo "Adding to $(VENV) what the checks need: some 0.9 GB, once."
	$(call install,requirements-test.lock)
	@PYTHONWARNINGS=ignore $(BIN)/python -m compileall -q -j 0 $(VENV)/lib || true # a test fails on a warning
	@touch $@
