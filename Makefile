# Each target does its own set-up on a machine that has only git, make and python3 with pip.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= accord-demo/marketing-operations
PORT ?= 8321

# Where a file system in memory has room, tests put their files there (under 1 GB): on a busy disk each of their commits waits.
MEMORY = $(shell df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 3000000 { print "/dev/shm" }')

.PHONY: demo test prove check bench serve lock docs clean
.DEFAULT_GOAL := demo

# The virtual environment; virtualenv steps in where python3 comes without the venv module.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Accord needs Python 3.11 or newer, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV); $(PYTHON) -m pip install -q --target .cache/virtualenv virtualenv && PYTHONPATH=.cache/virtualenv $(PYTHON) -m virtualenv -q $(VENV); }

$(VENV)/.run: $(BIN)/python requirements.txt pyproject.toml packs/marketing_operations/pyproject.toml
	@echo "installing Accord into $(VENV) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e . -e packs/marketing_operations
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.txt
	@echo "installing the tools of development ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

## demo: build a sample organization, run all eight steps on it, show the scoreboard
demo: $(VENV)/.run
	@$(BIN)/accord demo marketing-operations --into $(DEMO)

## test: the whole suite in its short form, at most 10 minutes on 2 cores
# Three workers for two cores: tests also wait, for processes that are killed and for servers.
# Python may keep the compiled form here: the suite starts some two hundred processes, which would compile Accord anew each time.
test: $(VENV)/.dev
	@TMPDIR="$${TMPDIR:-$(MEMORY)}" PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 3 --dist worksteal

## prove: the long proofs (kills, histories, soak)
prove: $(VENV)/.dev
	@$(BIN)/python -m pytest -m prove

## check: style, types, layers
check: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

## bench: benchmarks, all or ONLY=area; results under benchmarks/results/
bench: $(VENV)/.dev
	@$(BIN)/python benchmarks/run.py $(ONLY)

## serve: the reports of the demo in a browser
serve: $(VENV)/.run
	@test -f $(DEMO)/deliverables/run/executive.html || $(MAKE) demo
	@$(BIN)/accord serve $(DEMO) --port $(PORT)

## docs: write the generated reference pages again
docs: $(VENV)/.dev
	@$(BIN)/python docs/generate.py

## lock: resolve the dependency ranges again and write the hash-locked files, which hold no index address
lock: $(BIN)/python
	@$(BIN)/python -m pip install -q uv
	@$(BIN)/uv pip compile -q pyproject.toml packs/build-requirements.in --extra postgres-embedded --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate -o requirements.txt
	@$(BIN)/uv pip compile -q pyproject.toml packs/build-requirements.in --extra postgres-embedded --group dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate -c requirements.txt -o requirements-dev.txt

clean:
	rm -rf $(VENV) .cache accord-demo
