# Every target creates .venv if needed and reuses it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
PICTURES := tests/tui/__snapshots__

.PHONY: run test pytest check deep format snapshots clean help

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/'

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing lrtui with PyTorch into $(VENV): up to 6 GB on Linux, a few minutes. This happens only once."
	$(BIN)/pip install --progress-bar on --editable .
	@touch $@

$(DEV_STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing lrtui, PyTorch and the tools for development into $(VENV): up to 7 GB on Linux, a few minutes."
	$(BIN)/pip install --progress-bar on --no-compile --editable '.[dev]'
	@# pip would compile on one core; some packages have files of other versions of Python
	-@$(BIN)/python -m compileall -qq -j 0 $(VENV)
	@touch $(STAMP) $@

run: $(STAMP) ## open the cockpit
	@$(BIN)/lrtui $(ARGS)

check: $(DEV_STAMP) ## formatting, lint, strict types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check pytest ## everything that CI runs

pytest: $(DEV_STAMP)
	$(BIN)/python -m pytest -n 4 --dist loadgroup

deep: $(DEV_STAMP) ## the long tests too: fuzzing, kill tests, soaks
	$(BIN)/python -m pytest -n 4 --dist loadgroup -m 'deep or not deep'

format: $(DEV_STAMP) ## format, and fix what can be fixed automatically
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

snapshots: $(DEV_STAMP) ## take the pictures of the screens again
	$(BIN)/python -m pytest -n 3 tests/tui/test_snapshots*.py --snapshot-update
	mkdir -p assets
	cp '$(PICTURES)/test_snapshots/test_cockpit[120x36-switched].svg' assets/cockpit.svg
	cp '$(PICTURES)/test_snapshots/test_picker[120x36-switched].svg' assets/picker.svg
	cp '$(PICTURES)/test_snapshots_screens/test_compare[120].svg' assets/compare.svg
	cp '$(PICTURES)/test_snapshots/test_cockpit[80x24-switched].svg' assets/small.svg

clean: ## remove the environment and all caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
