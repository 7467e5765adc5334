# wasmdeploy: `make help` lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.PHONY: help demo test check soak bench lint types fast proto adapter adapter-check lock stack-programs clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := build/demo
LISTEN ?= 127.0.0.1:3000
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PATH := $(CURDIR)/$(BIN):$(PATH)

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 18

# A virtual environment with exactly what was tested; a new lock file makes it anew.
$(VENV)/runtime: locks/runtime.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("wasmdeploy needs Python 3.11 or newer, this is %d.%d (set PYTHON=)" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@echo "Setting up $(VENV) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --require-hashes -r locks/runtime.txt
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev: $(VENV)/runtime locks/dev.txt
	@echo "Setting up the development tools …"
	@$(BIN)/pip install --quiet --require-hashes -r locks/dev.txt
	@touch $@

demo: $(VENV)/runtime  ## a new Python app, built and served on 127.0.0.1:3000
	@rm -rf $(DEMO) && mkdir -p $(dir $(DEMO))
	@$(BIN)/wasmdeploy new demo --output $(DEMO)
	@exec $(BIN)/wasmdeploy up $(DEMO) --build --listen $(LISTEN)

stack-programs: $(VENV)/dev  ## build Nomad, Consul, Vault and Traefik where they are not on PATH
	@$(BIN)/python tests/stack/build.py

test: $(VENV)/dev stack-programs  ## everything, the real HashiStack included
	@$(BIN)/python -m tests.tools
	@$(MAKE) --no-print-directory lint types
	@$(BIN)/pytest

check: lint types fast  ## lint, types and the fast tests (under a minute)

lint: $(VENV)/dev
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --quiet --check
	@if command -v terraform >/dev/null; then terraform fmt -check -recursive terraform; else echo "terraform is not installed: its files are not checked"; fi

types: $(VENV)/dev
	@$(BIN)/mypy --no-error-summary

fast: $(VENV)/dev
	@$(BIN)/pytest -q -m "not guests and not stack"

soak: $(VENV)/dev stack-programs  ## ten minutes of load (SOAK_SECONDS), deploys and drains under load, and 200 kills on a real node (SOAK_KILLS, SOAK_SEED)
	@SOAK_SECONDS=$${SOAK_SECONDS:-600} SOAK_KILLS=$${SOAK_KILLS:-200} $(BIN)/pytest -q -s -m soak

bench: $(VENV)/dev  ## measure against the wasmtime command line; writes build/bench.json
	@$(BIN)/python -m tests.bench

proto: $(VENV)/dev  ## generate the plugin's protobuf code anew (needs Go)
	@$(BIN)/python scripts/proto.py

adapter: $(VENV)/dev  ## build the HTTP adapter anew (needs Rust)
	@$(BIN)/python driver/adapter/build.py

adapter-check: $(VENV)/dev  ## build the adapter apart and compare it with what is committed
	@$(BIN)/python driver/adapter/build.py --check

lock: $(VENV)/dev  ## write the lock files anew
	@$(BIN)/python scripts/lock.py

clean:  ## remove everything that was built here
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache
