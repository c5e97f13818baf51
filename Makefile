# Every target works as the first thing typed on a clean clone: it makes .venv itself.
.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo lab unit test long faults storms bench soak lint format proto docs deb clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.product-installed
DEV_STAMP := $(VENV)/.developer-installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
ARGS ?=
# Processors that tests run on; ARGS="-n 0" runs everything in one process. A file stays on one of
# them, since its tests may share a running cluster, and goes wherever there is room, in the order of
# the folders: those with the longest files come first, and the last ones are short.
WORKERS ?= 2
# Some images forbid Python to keep what it compiled: then each of the hundreds of processes that tests
# start compiles all of the product again, and each worker all tests.
unexport PYTHONDONTWRITEBYTECODE
ON_WORKERS := -n $(WORKERS) --dist loadfile --no-loadscope-reorder

help:
	@echo "make demo [ARGS=--check]   a core, three satellites and a customer's server on this machine"
	@echo "make lab [LAB=FILE]        every node of an inventory in a network of its own; docs/lab.md (root)"
	@echo "make unit                  the tests that start no server, within two minutes"
	@echo "make test                  all tests but the long ones, on two processors; ARGS=\"-n 0\": on one"
	@echo "make long                  what make test leaves out: half a minute or more, and long forms"
	@echo "make faults                the long form of the tests that break something; docs/faults.md"
	@echo "make storms                what a few messages or peers cost everybody else; docs/robustness.md"
	@echo "make bench                 speed against other gateways; docs/benchmarks.md (root)"
	@echo "make soak                  a million messages through one node; docs/benchmarks.md (root)"
	@echo "make lint                  style, types, architecture, generated code"
	@echo "make proto                 regenerate the wire's code"
	@echo "make docs                  draw the pages anew that are made from the code"
	@echo "make deb                   Debian packages, in dist; docs/operating/install.md"
	@echo "make setup                 only the virtual environment"

$(BIN)/python:
	@./.ci/system-packages venv
	@$(PYTHON) -m venv $(VENV)

$(STAMP): $(BIN)/python pyproject.toml constraints.txt
	@echo "Installing Border Scout into $(VENV) ..."
	@$(PIP) install -c constraints.txt -e '.[core,satellite,inventory]'
	@touch $@

$(DEV_STAMP): $(STAMP)
	@echo "Installing the developers' tools into $(VENV) ..."
	@$(PIP) install -c constraints.txt -e '.[core,satellite,inventory,dev]'
	@touch $@

setup: $(STAMP)

setup-dev: $(DEV_STAMP)

demo: $(STAMP)
	@$(BIN)/borderscout demo $(ARGS)

lab: LAB ?= examples/lab.yaml
lab: $(STAMP)
	@./.ci/system-packages lab
	@$(BIN)/borderscout lab up $(LAB) $(ARGS)

# What is left out starts programs or takes long, and runs in `make test`.
unit: $(DEV_STAMP)
	@$(BIN)/python -m pytest tests/unit tests/architecture $(ON_WORKERS) --quiet \
		-m 'not slow and not integration and not faults and not interop' $(ARGS)

test: $(DEV_STAMP)
	@./.ci/system-packages test
	@$(BIN)/python -m pytest $(ON_WORKERS) $(ARGS)

# What takes half a minute or more each, and the long forms of what `make test` tries in a short one;
# before a release.
long: $(DEV_STAMP)
	@./.ci/system-packages test
	@./.ci/system-packages lab
	@./.ci/system-packages machines
	@$(BIN)/python -m pytest -n 0 -m long --long $(ARGS)

faults: $(DEV_STAMP)
	@./.ci/system-packages test
	@$(BIN)/python -m pytest -n 0 -m scenario --long --thorough --scenario-report=docs/faults.md $(ARGS)

storms: $(DEV_STAMP)
	@./.ci/system-packages test
	@$(BIN)/python -m pytest tests/storms -n 0 --thorough --storm-report=docs/robustness.md $(ARGS)

# What the measurement was called with stands in its report.
bench soak: export BENCH_COMMAND = make $@$(if $(ARGS), ARGS="$(ARGS)")

bench: $(DEV_STAMP)
	@./.ci/system-packages bench
	@$(BIN)/python -m tests.bench all $(ARGS)

soak: $(DEV_STAMP)
	@./.ci/system-packages bench
	@$(BIN)/python -m tests.bench soak $(ARGS)

lint: $(DEV_STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@./.ci/proto --check
	@$(BIN)/python -m docs.generate --check

format: $(DEV_STAMP)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

proto: $(DEV_STAMP)
	@./.ci/proto

docs: $(DEV_STAMP)
	@$(BIN)/python -m docs.generate

deb:
	@./.ci/system-packages deb
	@./.ci/deb

clean:
	@rm -rf $(VENV) .mtas .wheels .machines dist .mypy_cache .ruff_cache .pytest_cache
