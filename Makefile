# The commands of the project. `make demo` and `make test` need only Python 3.11 or later with venv, make and git.
PYTHON ?= python3
# Each interpreter has its own environment, so that `make test PYTHON=python3.13` does not change .venv.
VENV := .venv$(if $(filter-out python3,$(PYTHON)),-$(notdir $(PYTHON)))
BIN := $(VENV)/bin
# The tests in these folders have to cover every branch of protocol/, core/ and reactor/ by themselves.
DECIDES := tests/core tests/protocol tests/reactor
# The environment with the package as users install it: built, with protocol/, core/ and reactor/ compiled.
COMPILED := $(VENV)-compiled
# mypyc needs a C compiler and the headers of Python; with CI, they must be there.
HEADERS := 'import os, sysconfig; print("yes" * os.path.exists(sysconfig.get_path("include") + "/Python.h"))'
CAN_COMPILE := $(if $(CI),yes,$(if $(shell command -v $(CC)),$(shell $(PYTHON) -c $(HEADERS))))
# Tests of the server that run once: with the compiled server, or with the interpreted one if there is no compiler.
ONCE := $(addprefix tests/,attacks crash fuzz interop server storage) \
    $(addprefix tests/cli/test_,gearmand.py gearmand_process.py reload.py store.py)
# Interrupted by the system's timers, also between instructions of compiled code, which cannot be traced.
TIMED := $(patsubst %,tests/%/test_strikes.py::test_by_real_timers,client worker)
# Tests that need no other programs; `not interop` excludes the tests that need programs of Debian.
QUICK := $(addprefix tests/,admin cli client core newcomer protocol reactor server testing transport typed worker) \
    $(wildcard $(addprefix tests/storage/test_,bundles.py importer.py intake.py jsonlines.py migration.py packing.py sqlite*.py))
# Most tests wait for servers and processes more than half of their time, so two run at a time on each core, and one more.
SIDE_BY_SIDE := --numprocesses $(shell expr 2 '*' $$(getconf _NPROCESSORS_ONLN) + 1) --dist loadscope --no-loadscope-reorder
# Compiled files are kept even if the environment says otherwise: the tests start hundreds of interpreters, and each of
# them would compile the sources again.
export PYTHONDONTWRITEBYTECODE :=
.DEFAULT_GOAL := help
.PHONY: help demo examples check format test test-decides test-quick test-compiled test-readme pages docs crash fuzz costs attacks simulation time-limits soak mutation budget bench bench-queues bench-durable clean

help:            ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

demo: $(VENV)/installed  ## Start a server and three workers, do some work, and stop; takes less than a minute
	@$(BIN)/python examples/demo/run.py

examples: $(VENV)/examples  ## Set up .venv for the programs in examples/; each has a README

check: $(VENV)/developer  ## Check the format, lint, strict types and the order of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_staircase.py

format: $(VENV)/developer  ## Format the code
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

test: $(VENV)/developer  ## Run all tests; as root on Debian, first install the programs that they need
	@echo 'make test: takes about 4 minutes on two cores. As root on Debian, it first installs the programs that it'
	@echo 'needs (gearmand, databases, valgrind and others); `make test-quick` needs none and takes a minute.'
	@tests/interop/install-peers
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else
	@$(MAKE) --no-print-directory --jobs=2 test-decides $(if $(CAN_COMPILE),$(COMPILED)/developer)
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(foreach folder,$(DECIDES) $(if $(CAN_COMPILE),$(ONCE)),--ignore $(folder)) $(if $(CAN_COMPILE),$(addprefix --deselect ,$(TIMED)))
	$(if $(CAN_COMPILE),@$(MAKE) --no-print-directory test-compiled)
endif

# Beside the compilation, which has use for one core.
test-decides: $(VENV)/developer
	@$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --numprocesses logical --dist worksteal $(DECIDES)
	@$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

test-quick: $(VENV)/developer  ## Run the tests that need no other programs, in a minute
	CI= $(BIN)/python -m pytest $(SIDE_BY_SIDE) -m 'not interop' $(QUICK) $(wildcard tests/test_*.py)

test-compiled: $(COMPILED)/developer  ## Run the tests of the server with the compiled server; `make test` includes this
	GEARTRAIN_COMPILE=1 HYPOTHESIS_PROFILE=quick $(COMPILED)/bin/python -m pytest $(or $(ARGS),$(SIDE_BY_SIDE) $(DECIDES) tests/simulation $(ONCE) $(TIMED))

test-readme: $(VENV)/installed  ## Run the README from its first to its last line on a bare Debian in a folder; needs root and debootstrap
	@$(BIN)/python -m tests.newcomer $(ARGS)

crash: $(VENV)/developer  ## Kill servers and stores repeatedly, and check that no acknowledged job is lost
	$(BIN)/python -m tests.crash $(ARGS)

fuzz: $(VENV)/developer  ## Send malformed input to running servers, and check that they survive it
	$(BIN)/python -m tests.fuzz $(ARGS)

costs: $(VENV)/developer  ## Search for valid packets that keep the server busy for long, or cause large replies
	$(BIN)/python -m tests.costs $(ARGS)

# The compiled server is attacked if there is one, as the page on robustness has its figures.
attacks: $(VENV)/developer $(wildcard $(COMPILED)/developer)  ## Attack a server with valid packets (MINUTES=10), and check its memory and that it serves other peers
	PYTHONPATH=. $(if $(wildcard $(COMPILED)/developer),$(COMPILED),$(VENV))/bin/python -m tests.attacks --minutes $(or $(MINUTES),1) $(ARGS)

simulation: $(VENV)/developer  ## Simulate servers, peers, networks and disks with faults by seed (ARGS='--hours 1')
	$(BIN)/python -m tests.simulation $(ARGS)

time-limits: $(VENV)/developer  ## Do 2,000 jobs that end when their timeout does, with each kind of worker and each server; 10 minutes
	@tests/interop/install-peers
	THOROUGH=1 $(BIN)/python -m pytest --numprocesses logical --dist worksteal tests/worker/test_limits.py \
		-o junit_family=xunit1 --junitxml build/time-limits.xml $(ARGS)

soak: $(VENV)/developer  ## Run a server among peers that are killed all the time (MINUTES=15), and check that no job is lost
	$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),1) $(ARGS)

pages: $(VENV)/developer  ## Write man pages, shell completion, the sample configuration and the option reference
	$(BIN)/python -m geartrain.cli.pages

docs: $(VENV)/developer  ## Build the documentation in build/docs
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet docs build/docs

mutation: $(VENV)/mutation  ## Change the code in small ways, and check that a test notices each change
	$(BIN)/python -m tests.mutation $(ARGS)

budget: $(VENV)/developer $(COMPILED)/developer  ## Compare instructions and memory per job with benchmarks/budget/budget.toml
	$(BIN)/python -m benchmarks.budget $(ARGS)

# The benchmark measures the compiled server if there is one, so that has to be up to date.
bench: $(VENV)/developer $(wildcard $(COMPILED)/developer)  ## Benchmark against Debian's gearmand
	$(BIN)/python -m benchmarks.servers $(ARGS)

bench-queues: $(VENV)/developer  ## Benchmark against Celery, RQ, Dramatiq, arq, gear and gearman3
	$(BIN)/python -m benchmarks.queues $(ARGS)

bench-durable: $(VENV)/developer $(wildcard $(COMPILED)/developer)  ## Benchmark all stores against gearmand's SQLite queue, and the reload of a million jobs
	$(BIN)/python -m benchmarks.durable $(ARGS)

clean:           ## Remove everything that these commands created
	rm -rf .venv* build dist .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis src/*.egg-info

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'Geartrain needs Python 3.11 or later; choose one with PYTHON=python3.12'; exit 1; }
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

$(VENV)/mutation: $(VENV)/developer
	@$(BIN)/python -m pip install --quiet --group mutation
	@touch $@

$(COMPILED)/developer: $(shell find src packaging/backend -name '*.py') setup.py pyproject.toml
	@$(PYTHON) -m venv $(COMPILED)
	@$(COMPILED)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(COMPILED)/bin/python -m pip install --quiet --group test
	@GEARTRAIN_COMPILE=1 $(COMPILED)/bin/python -m pip install --quiet '.[memcached,mysql,postgres,redis]'
	@touch $@
