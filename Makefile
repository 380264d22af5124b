# The project's commands. They need Python 3.11 or newer and make, nothing else. `make help` lists them.

PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help run test test-fast lint bench venv python

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1	/' | expand -t 18

# Many processes import the same modules. Each starts a fifth faster when their bytecode is cached, so it is
# cached even if the environment turns that off, as many containers do.
run test test-fast: export PYTHONDONTWRITEBYTECODE :=
run: venv ## start the service with everything it needs; Ctrl-C stops it
	@exec $(BIN)/python -m kyros.run

test: venv ## run all tests, on SQLite and PostgreSQL: ARGS=tests/api
	@exec $(BIN)/python -m pytest -n auto $(ARGS)

test-fast: venv ## run the fast tests, on SQLite, in under a minute: ARGS=tests/api
	@exec $(BIN)/python -m pytest -n auto --engine sqlite -m "not slow" $(ARGS)

# The checks load the settings. They get their own key, folder and database, so `.env` does not matter.
lint: export SECRET_KEY := only for the checks, which store nothing
lint: export KYROS_DATA_DIR := $(CURDIR)/.venv/lint
lint: export DATABASE_URL := sqlite:///$(CURDIR)/.venv/lint/db.sqlite3
lint: export REDIS_URL := none
lint: export DJANGO_SETTINGS_MODULE := kyros.settings
lint: venv ## check style, types, import rules, migrations, Django's checks
	@mkdir -p $(KYROS_DATA_DIR)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python -m scripts.lint_migrations
	$(BIN)/python manage.py check --fail-level WARNING

bench: python ## benchmarks beside other ways to build the same: ROUNDS=5 SECONDS=4 ONLY=lists,writes BIG=1
	@$(PYTHON) scripts/create_venv.py .venv-bench benchmarks/requirements.txt
	@exec .venv-bench/bin/python -m benchmarks $(if $(ROUNDS),--rounds $(ROUNDS)) \
	  $(if $(SECONDS),--seconds $(SECONDS)) $(if $(ONLY),--only $(ONLY)) $(if $(BIG),--big)

# The requirements are installed again after they, or the Python, have changed.
venv: python
	@$(PYTHON) scripts/create_venv.py .venv requirements.txt

python:
	@command -v $(PYTHON) >/dev/null 2>&1 || { echo "make: $(PYTHON) not found; choose another Python with PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: $$($(PYTHON) -V 2>&1) is too old; Python 3.11 or newer is needed: choose one with PYTHON=…" >&2; exit 1; }
