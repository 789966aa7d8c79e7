# Everything works on a fresh machine with Python >= 3.11 (with pip), make and git.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help drill test test-matrix images test-docker crash-matrix check format mutants bench bench-enums clean

help: ## Show this list.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(STAMP): pyproject.toml recover/__init__.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[drill,dev]'
	@touch $(STAMP)

drill: $(STAMP) ## Break the embedded replica as in the incident and recover it, on screen.
	$(BIN)/recover drill run enum-cascade

test: $(STAMP) ## Run the tests (real PostgreSQL and Redis from wheels; no Docker needed).
	$(BIN)/python -m pytest

test-matrix: $(STAMP) ## Run the enum doctor's tests on PostgreSQL 12, 14, 15, 17 and the wheel's.
	RECOVER_TEST_POSTGRES=12,14,15,17,wheel $(BIN)/python -m pytest -m every_postgres

images: ## Pull or build the images of the container replica.
	PYTHON=$(PYTHON) playbooks/enum-cascade/stack/images/build

test-docker: $(STAMP) ## Run the tests that need a Docker engine; starts one for them where it can.
	.ci/engine run sh -c '$(MAKE) --no-print-directory images && $(BIN)/python -m pytest -m docker'

crash-matrix: $(STAMP) ## Kill a run at every point of every step, each in a run of its own, and more (40 minutes).
	$(BIN)/python -m pytest -m matrix

check: $(STAMP) ## ruff, mypy strict, import-linter.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## Format the code.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

mutants: $(STAMP) ## Break the code in 200 places, one at a time: does a test fail each time? (N=60 SEED=14; an hour)
	$(BIN)/python benchmarks/mutants.py -n $(or $(N),200) --seed $(or $(SEED),14)

bench: $(STAMP) ## Measure start-up, per-step cost and memory, as ratios.
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/steps.py
	$(BIN)/python benchmarks/log_shapes.py

bench-enums: $(STAMP) ## Measure the enum doctor beside bare SQL on 5 million rows (some minutes, 5 GB of disk).
	$(BIN)/python benchmarks/enums.py

clean: ## Remove the virtual environment and caches.
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
