# Two commands are all that a newcomer needs: `make leaderboard` and `make test`. Each sets up what it needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RESULTS ?= results
SITE ?= build/site
TIER ?= quick

MAKE_ENVIRONMENT = $(BIN)/squeezemark env list | grep -q "^$(1) *its environment is not there" && $(BIN)/squeezemark env create $(1) || true

.PHONY: help leaderboard site test test-emulated test-arm test-x86-emulated check bench clean

help:  ## what there is
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

leaderboard: $(VENV)/run.done  ## measure on this machine what is not recorded yet, and build the site
	@status=0; $(BIN)/squeezemark run --tier $(TIER) --results $(RESULTS) || status=$$?; \
	if [ $$status -gt 1 ]; then exit $$status; fi; \
	$(BIN)/squeezemark render --results $(RESULTS) --out $(SITE) || status=$$?; \
	echo "Open $(SITE)/index.html, or preview it with: $(BIN)/squeezemark serve --out $(SITE)"; exit $$status

site: $(VENV)/run.done  ## build the published site from the records in site/results
	@$(BIN)/squeezemark render --results site/results --out $(SITE)

test: $(VENV)/test.done  ## lint, types and every test
	@scripts/check
	@scripts/test

test-emulated: test-arm test-x86-emulated  ## every emulated processor: makes their environments (apt-get, no root), then one model on each

test-arm: $(VENV)/test.done  ## emulated ARM: makes an ARM system in a folder (apt-get, no root), then one model on each ARM processor
	@$(call MAKE_ENVIRONMENT,arm-emulated)
	@SQUEEZEMARK_EMULATED=1 scripts/test tests/test_emulation.py -k arm_

test-x86-emulated: $(VENV)/test.done  ## emulated x86: the same on an x86 processor without VNNI
	@$(call MAKE_ENVIRONMENT,x86-emulated)
	@SQUEEZEMARK_EMULATED=1 scripts/test tests/test_emulation.py -k x86_

check: $(VENV)/test.done  ## lint and types alone
	@scripts/check

bench: $(VENV)/test.done  ## what the harness itself costs, and whether a process of its own leaves the figures alone
	@$(BIN)/python -m pytest benchmarks --benchmark-only
	@$(BIN)/python benchmarks/isolation.py

clean:  ## remove what was built; records in results/ stay
	rm -rf build dist .squeezemark .mypy_cache .ruff_cache .pytest_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Squeezemark needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Python could not make a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

$(VENV)/run.done: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing the pinned stack into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[run]'
	@touch $@

$(VENV)/test.done: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing the pinned stack and the test tools into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[run,test]'
	@touch $@ $(VENV)/run.done
