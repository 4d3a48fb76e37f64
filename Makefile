# The commands of the project. `make demo` and `make test` need nothing but Python 3.11 or later with venv, make and git.
PYTHON ?= python3
# An interpreter of its own has an environment of its own, so that `make test PYTHON=python3.13` leaves .venv alone.
VENV := .venv$(if $(filter-out python3,$(PYTHON)),-$(notdir $(PYTHON)))
BIN := $(VENV)/bin
# Their tests alone reach every branch of these two.
DECIDES := tests/core tests/protocol
# Where the package is installed as users have it: built, with `protocol/` and `core/` compiled.
COMPILED := $(VENV)-compiled
CAN_COMPILE := $(if $(CI)$(shell command -v $(CC)),yes)
# They start servers, and run once: over the compiled one, or over the interpreted one where nothing can be compiled.
ONCE := tests/crash tests/fuzz tests/interop tests/storage
SERVER_TESTS := $(DECIDES) $(ONCE) tests/server tests/cli/test_gearmand.py
# Most tests wait for servers and processes rather than compute, so that there is one run more than there are cores.
SIDE_BY_SIDE := --numprocesses $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1) --dist loadfile
.DEFAULT_GOAL := help
.PHONY: help demo examples check format test test-compiled docs crash fuzz soak budget bench bench-queues bench-durable clean

help:            ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

demo: $(VENV)/installed  ## Start a server and workers, run real work, stop: under a minute
	@$(BIN)/python examples/demo/run.py

examples: $(VENV)/examples  ## Set up .venv for the programs in examples/, each of which has a README

check: $(VENV)/developer  ## Format, lint, strict types, import staircase
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_staircase.py

format: $(VENV)/developer  ## Put the code into shape
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

test: $(VENV)/developer  ## Run every test; as root on Debian, install the programs that they need before
	@echo 'make test: takes about 4 minutes on two cores. As root on Debian, it first installs the programs that it'
	@echo 'needs (gearmand, databases, valgrind and others); `make test-quick` needs none and takes a minute.'
	@tests/interop/install-peers
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else
	@$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --numprocesses logical --dist worksteal $(DECIDES)
	@$(BIN)/coverage combine --quiet
	$(BIN)/coverage report
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(foreach folder,$(DECIDES) $(if $(CAN_COMPILE),$(ONCE)),--ignore $(folder))
	$(if $(CAN_COMPILE),@$(MAKE) --no-print-directory test-compiled)
endif

test-compiled: $(COMPILED)/developer  ## Run the tests of the server with the compiled one; `make test` does both
	GEARTRAIN_COMPILE=1 HYPOTHESIS_PROFILE=quick $(COMPILED)/bin/python -m pytest $(or $(ARGS),$(SIDE_BY_SIDE) $(SERVER_TESTS))

crash: $(VENV)/developer  ## Kill servers and stores again and again, and see whether they keep their promises
	$(BIN)/python -m tests.crash $(ARGS)

fuzz: $(VENV)/developer  ## Say to live servers what no server wants to hear, and see whether they bear it
	$(BIN)/python -m tests.fuzz $(ARGS)

soak: $(VENV)/developer  ## Let a server live among peers that are killed all the time, MINUTES=15, and balance the books
	$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),1) $(ARGS)

docs: $(VENV)/developer  ## Make the documentation, in build/docs
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet docs build/docs

budget: $(VENV)/developer $(COMPILED)/developer  ## Compare instructions and memory per job with benchmarks/budget/budget.toml
	$(BIN)/python -m benchmarks.budget $(ARGS)

# What is compiled is measured, where it is there, and so has to be what the source says.
bench: $(VENV)/developer $(wildcard $(COMPILED)/developer)  ## Measure against Debian's gearmand in one run
	$(BIN)/python -m benchmarks.servers $(ARGS)

bench-queues: $(VENV)/developer  ## Measure beside Celery, RQ, Dramatiq, arq, gear and gearman3 in one run
	$(BIN)/python -m benchmarks.queues $(ARGS)

bench-durable: $(VENV)/developer  ## Measure every store beside gearmand's SQLite queue, and the replay of a million jobs
	$(BIN)/python -m benchmarks.durable $(ARGS)

clean:           ## Remove what these commands made
	rm -rf .venv* build dist .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis src/*.egg-info

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'Geartrain needs Python 3.11 or later; name one with PYTHON=...'; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(VENV)/bin/python pyproject.toml
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/examples: $(VENV)/installed
	@$(BIN)/python -m pip install --quiet --group examples
	@touch $@

$(VENV)/developer: $(VENV)/installed
	@$(BIN)/python -m pip install --quiet --group dev
	@touch $@

$(COMPILED)/developer: $(shell find src packaging/backend -name '*.py') setup.py pyproject.toml
	@$(PYTHON) -m venv $(COMPILED)
	@$(COMPILED)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(COMPILED)/bin/python -m pip install --quiet --group test
	@GEARTRAIN_COMPILE=1 $(COMPILED)/bin/python -m pip install --quiet '.[memcached,mysql,postgres,redis]'
	@touch $@
