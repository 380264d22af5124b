# Everything the project does, from nothing but Python 3.11 or newer and make. `make help` lists it.

PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help run test lint bench venv python

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /make \1	/'

# Many processes import the same modules: with their bytecode kept, also where the environment of a container
# has it thrown away, each is there a fifth sooner.
run test: export PYTHONDONTWRITEBYTECODE :=
run: venv ## the service, with all it needs, until Ctrl-C
	@exec $(BIN)/python -m kyros.launch

test: venv ## all tests, on SQLite, PostgreSQL and Valkey
	@exec $(BIN)/python -m pytest -n auto $(ARGS)

# The checks load the settings: with a key, a folder and a database of their own, whatever `.env` says.
lint: export SECRET_KEY := only for the checks, which keep nothing
lint: export KYROS_DATA_DIR := $(CURDIR)/.venv/lint
lint: export DATABASE_URL := sqlite:///$(CURDIR)/.venv/lint/db.sqlite3
lint: export REDIS_URL := none
lint: export DJANGO_SETTINGS_MODULE := kyros.settings
lint: venv ## style, types, import rules, missing migrations, Django's checks
	@mkdir -p $(KYROS_DATA_DIR)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py check --fail-level WARNING

bench: python ## benchmarks next to other ways to build it: ROUNDS=5 SECONDS=4 ONLY=lists,writes BIG=1
	@$(PYTHON) kyros/launch/install.py .venv-bench benchmarks/requirements.txt
	@exec .venv-bench/bin/python -m benchmarks $(if $(ROUNDS),--rounds $(ROUNDS)) \
	  $(if $(SECONDS),--seconds $(SECONDS)) $(if $(ONLY),--only $(ONLY)) $(if $(BIG),--big)

# The requirements are installed again when they, or the Python, are others than last time.
venv: python
	@$(PYTHON) kyros/launch/install.py .venv requirements.txt

python:
	@command -v $(PYTHON) >/dev/null 2>&1 || { echo "make: $(PYTHON) is not there; name one with PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: $$($(PYTHON) -V 2>&1) is too old; allowed: 3.11 or newer, named with PYTHON=…" >&2; exit 1; }
