# README's two commands are `make serve` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: serve setup test check format clean

serve: setup
	$(BIN)/genmo-rt serve $(ARGS)

setup: $(VENV)/.ready

# A checkout without pip's work done; re-run when what is installed or built changes.
WEB_SOURCES := $(shell find clients/web -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)
$(VENV)/.ready: pyproject.toml constraints.txt scripts/build_web.py $(WEB_SOURCES)
	scripts/setup $(PYTHON) $(VENV)
	touch $@

test: setup
	scripts/check

check: test

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) clients/web/node_modules stream/genmo_stream/web
