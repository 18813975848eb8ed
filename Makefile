# Every target first makes or updates the project's own virtual environment.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: rehearse test check bench screenshots static tools

rehearse: $(READY) ## a whole night on two throwaway servers
	$(BIN)/nightferry rehearse

test: static tools ## everything, on real servers too
	$(BIN)/pytest

check: static ## everything but the live tests
	$(BIN)/pytest -m "not live"

bench: $(READY) ## the figures of the README
	$(BIN)/python -m benchmarks

screenshots: $(READY) ## the pictures of the README
	$(BIN)/python tests/tui/make_screenshots.py

static: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

tools:
	@.ci/tools

$(READY): pyproject.toml .ci/environment
	@.ci/environment $(VENV)
	@touch $@
