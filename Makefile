# Everything works on a fresh machine with Python >= 3.11 (with pip), make and git.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Versions of all packages; empty for the newest ones (in a VENV of their own: make newest).
CONSTRAINTS := constraints.txt
# T=FILE, T=FOLDER or T="'FILE::TEST'": only those, in this one process. OPTIONS: more words for pytest.
T :=
OPTIONS :=
# More workers than there are cores: tests also wait.
WORKERS := $(if $(T),0,$(shell expr $$(getconf _NPROCESSORS_ONLN) \* 2 + 1))
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(OPTIONS)
# The longest first, and one at a time to whoever is free.
DRILLS := --maxschedchunk 1 --dist load $(addprefix tests/drills/test_,crash_and_resume.py rollback.py middleware.py \
	monitoring.py plan_file.py diagnose.py faults.py enum_cascade.py enum_doctor.py)
# By file, since the tests of a file share a project.
DOCKER := -n 3 --dist loadfile --no-loadscope-reorder
# The engine and docker are written in Go, and collect their garbage half as often: a tenth less to compute.
ENGINE := GOGC=400 .ci/engine run
# Where it is set, Python compiles every module in every process that a test starts.
export PYTHONDONTWRITEBYTECODE :=
# Another PYTHON makes the environment again.
STAMP := $(VENV)/.installed-$(subst /,_,$(PYTHON))

.PHONY: help drill test test-drills test-matrix images test-docker test-nightly check format mutants fuzz bench bench-enums cover dist newest lock clean

help: ## Show this list.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(STAMP): pyproject.toml $(CONSTRAINTS) recover/__init__.py .ci/make_venv.py
	$(PYTHON) .ci/make_venv.py $@ $(CONSTRAINTS)

drill: $(STAMP) ## Break the embedded replica as in the incident and recover it, on screen.
	$(BIN)/recover drill run enum-cascade

test: $(STAMP) ## Run the tests: real PostgreSQL and Redis from wheels, no Docker (7 minutes on two cores). T=FILE: only those.
	$(PYTEST) $(or $(T),-m 'not drill and not docker and not nightly')

test-drills: $(STAMP) ## Run the long drills: the replica broken in every way, killed everywhere (7 minutes).
	$(PYTEST) -m 'drill and not docker and not nightly' $(or $(T),$(DRILLS))

test-matrix: $(STAMP) ## Run the enum doctor's tests on PostgreSQL 12, 14, 15, 17 and the wheel's.
	RECOVER_TEST_POSTGRES=12,14,15,17,wheel $(PYTEST) -m 'every_postgres and not nightly' $(T)

images: ## Pull or build the images of the container replica.
	PYTHON=$(PYTHON) playbooks/enum-cascade/stack/images/build

test-docker: $(STAMP) ## Run the tests that need a Docker engine; starts one for them where it can.
	$(ENGINE) sh -c '$(MAKE) --no-print-directory images \
		&& $(BIN)/python -m pytest -m "docker and not nightly" $(OPTIONS) $(or $(T),$(DOCKER))'

test-nightly: $(STAMP) ## What takes hours: a kill at every point in a run of its own, long property tests, every PostgreSQL.
	$(PYTEST) -m 'nightly and not docker' $(T)
	$(ENGINE) sh -c '$(MAKE) --no-print-directory images \
		&& $(BIN)/python -m pytest -m "docker and nightly" $(OPTIONS) $(T)'
	HYPOTHESIS_PROFILE=nightly RECOVER_TEST_POSTGRES=12,14,15,17,wheel $(PYTEST) -m 'hypothesis or every_postgres' $(T)

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

fuzz: $(STAMP) ## Break 20,000 files that recover reads: none may be a bug or hang. (COUNT=500 SEED=7 TIME=60; 5 minutes)
	$(BIN)/python tests/fuzzing.py --count $(or $(COUNT),20000) --seed $(or $(SEED),15) --time $(or $(TIME),300)

bench: $(STAMP) ## Measure start-up, per-step cost and memory, as ratios.
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/steps.py
	$(BIN)/python benchmarks/log_shapes.py

bench-enums: $(STAMP) ## Measure the enum doctor beside bare SQL on 5 million rows (some minutes, 5 GB of disk).
	$(BIN)/python benchmarks/enums.py

cover: $(STAMP) ## Run the tests under coverage.py: at least 90 % of the lines of recover/; a report in htmlcov.
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n $(WORKERS) --dist worksteal $(OPTIONS) $(or $(T),-m 'not drill and not docker and not nightly')
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage html --quiet
	$(BIN)/coverage json --quiet -o - | $(BIN)/python .ci/covered.py

dist: $(STAMP) ## Build the wheel, and try it in an empty environment.
	rm -rf dist
	$(BIN)/python .ci/make_venv.py uv build --quiet --wheel --build-constraints $(CONSTRAINTS)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python dist/venv
	$(BIN)/python .ci/make_venv.py uv pip install --quiet --python dist/venv/bin/python --constraint $(CONSTRAINTS) dist/*.whl
	cd dist && venv/bin/recover --version && venv/bin/recover lint enum-cascade

newest: ## Run the tests with the newest release of every dependency, in an environment of its own.
	$(MAKE) --no-print-directory test VENV=.venv-newest CONSTRAINTS=

lock: $(STAMP) ## Pin the newest releases in constraints.txt.
	$(BIN)/python .ci/make_venv.py lock $(CONSTRAINTS)

clean: ## Remove the virtual environments and caches.
	rm -rf $(VENV) .venv-newest .mutants htmlcov .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
