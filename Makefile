# `make` alone lists the targets. Everything runs in .venv, which is made from the lock files when needed.

SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
# Compiled modules are worth keeping: the tests start many processes.
unexport PYTHONDONTWRITEBYTECODE

PYTHON_ENV := .venv/bin/python
RUN := .venv/ready-run
TEST := .venv/ready-test
# More than cores, for they mostly wait for what they start.
WORKERS ?= 3

.DEFAULT_GOAL := help
.PHONY: help
help:  ## List the targets
	@sed -n 's/^\([a-z-]*\):.*##  */\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 14

$(RUN): setup.cfg pyproject.toml requirements/build.txt requirements/run.txt tools/make-venv
	@tools/make-venv run

$(TEST): $(RUN) requirements/test.txt
	@tools/make-venv test

.PHONY: run demo
run: $(RUN)  ## Start the gateway on this machine, no server needed
	@exec $(PYTHON_ENV) -m gateway serve

demo: $(RUN)  ## Tag a handful of sample images and show what came of it
	@exec $(PYTHON_ENV) -m gateway demo

.PHONY: test check unit format format-check lint types layers
# In the order of files: tests/chaos comes first, for one of its files takes longest of all.
test: system-packages  ## Everything that CI runs: make check, then the whole test suite
	@$(MAKE) check
	$(PYTHON_ENV) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --ignore tests/unit

check: $(TEST)  ## Format, lint, types, layers and unit tests, in seconds
	@$(MAKE) --jobs 2 --output-sync=target --keep-going types unit layers lint format-check

unit: $(TEST)  ## Unit tests
	$(PYTHON_ENV) -m pytest -q -n $(WORKERS) --dist loadfile tests/unit

format: $(TEST)  ## Format the code and repair what can be repaired
	$(PYTHON_ENV) -m ruff check --fix-only --quiet .
	$(PYTHON_ENV) -m ruff format .

format-check: $(TEST)
	$(PYTHON_ENV) -m ruff format --check --quiet .

lint: $(TEST)
	$(PYTHON_ENV) -m ruff check --quiet .

types: $(TEST)
	$(PYTHON_ENV) -m mypy

layers: $(TEST)
	.venv/bin/lint-imports --no-logo

.PHONY: bench
bench: $(TEST)  ## Measure against the goals, into build/bench.json; ONLY=name runs one
	$(PYTHON_ENV) -m tests.benchmarks $(if $(ONLY),--only $(ONLY))

.PHONY: chaos
chaos: system-packages $(TEST)  ## Break things under load, into build/chaos.json; ONLY=name TIMES=n strikes so
	$(PYTHON_ENV) -m tests.chaos $(if $(ONLY),--only $(ONLY)) $(if $(TIMES),--times $(TIMES)) $(if $(SEED),--seed $(SEED))

FUZZ := build/fuzz/python

.PHONY: fuzz fuzz-json
fuzz: $(TEST) $(FUZZ)  ## Look for inputs that break a promise, into build/fuzz/; TARGET=name SECONDS=n SEED=n
	PYTHONPATH=$(FUZZ) $(PYTHON_ENV) -m tests.fuzz run $(if $(TARGET),--target $(TARGET)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

fuzz-json: $(TEST)  ## Read 100,000 generated JSON bodies as Python's own json does; SEED=n
	$(PYTHON_ENV) -m tests.fuzz documents $(if $(SEED),--seed $(SEED))

$(FUZZ): requirements/fuzz.txt
	$(PYTHON_ENV) -m pip install --quiet --no-input --disable-pip-version-check --require-hashes --upgrade --target $@ -r $<
	@touch $@

.PHONY: lock dist clean system-packages
lock:  ## Pin what setup.cfg asks for in requirements/; UPGRADE=1 takes the newest
	tools/lock $(if $(UPGRADE),--upgrade)

dist: $(RUN)  ## Build the source archive and the wheel into dist/
	$(PYTHON_ENV) -c 'from setuptools import build_meta as b; print(b.build_sdist("dist"), b.build_wheel("dist"))'

clean:  ## Remove what was built, .venv included
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

system-packages:
	@tools/system-packages
