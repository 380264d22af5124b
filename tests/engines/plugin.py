"""A pytest plugin: gives every process an engine, and runs every test on its engines.

With xdist (``pytest -n auto``, at least two workers) half of the workers use SQLite and half PostgreSQL, so
one run covers both. Without xdist, or with ``--engine``, everything runs on one engine and tests that are
only about the other are deselected.
"""

import os
import re
from pathlib import Path

import pytest
from django.contrib.auth.hashers import ScryptPasswordHasher
from execnet import XSpec
from xdist.remote import Producer

from tests.engines import ENGINE_VARIABLE, ENGINES, POSTGRES, SQLITE
from tests.engines.run_servers import RunServers, write_to_memory
from tests.engines.scheduler import EngineScheduling, engine_of
from tests.engines.table_cleanup import delete_rows_instead_of_flush
from tests.servers.child_process import ServerError

WORKERS_PER_CORE = 2
MAX_WORKERS = 8
NEUTRAL = "engine_neutral"
# A test with this marker uses the database, but nothing in it depends on the engine.
ONE_ENGINE = "one_engine"
# A test that requests one of these fixtures uses the database of its process.
DATABASE_FIXTURES = frozenset({"db", "transactional_db", "scratch_database"})

# Fixtures that start programs, migrate a new database or load thousands of rows: their tests are slow.
SLOW_FIXTURES = frozenset(
    {
        "many_rows",
        "postgres_server",
        "running",
        "scratch_database",
        "script",
        "service",
        "started_browser",
        "valkey_server",
        "web",
    }
)

servers_key = pytest.StashKey[RunServers]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option ``--engine``."""
    parser.addoption(
        "--engine", choices=ENGINES, help="run on this engine only (without -n, the default is sqlite)"
    )


def in_worker() -> bool:
    """Return whether xdist started this process; its environment is then already complete."""
    return "PYTEST_XDIST_WORKER" in os.environ


def engine_of_process(config: pytest.Config) -> str:
    """Return the engine of this process's database."""
    return os.environ.get(ENGINE_VARIABLE) or config.known_args_namespace.engine or SQLITE


@pytest.fixture(autouse=True)
def engine(pytestconfig: pytest.Config) -> str:
    """The engine under test, ``"sqlite"`` or ``"postgres"``.

    A test about one engine only is marked with the engine's name instead.
    """
    return engine_of_process(pytestconfig)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Set the environment before pytest-django reads the settings."""
    if in_worker():
        return
    clear_project_variables(early_config.rootpath)
    write_to_memory()
    servers = early_config.stash[servers_key] = RunServers()
    early_config.add_cleanup(servers.close)
    os.environ.update(servers.environment(engine_of_process(early_config), "main"))


def clear_project_variables(project: Path) -> None:
    """Set every variable of the settings to "", so that neither the shell nor ``.env`` affects the tests."""
    example = (project / ".env.example").read_text(encoding="utf-8")
    os.environ.update(dict.fromkeys(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE), ""))


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Make password hashing and the clean-up after a test cheap. Real hashes stay verifiable."""
    ScryptPasswordHasher.work_factor = 2
    delete_rows_instead_of_flush()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the servers of a run without xdist."""
    config = session.config
    if not in_worker() and not config.pluginmanager.hasplugin("dsession") and not config.option.collectonly:
        start(config, postgres=engine_of_process(config) == POSTGRES)


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return how many workers ``-n auto`` starts: one per core and engine, because they often wait."""
    cores = os.cpu_count() or 1
    return min(cores if config.option.engine else WORKERS_PER_CORE * cores, MAX_WORKERS)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config, specs: list[XSpec]) -> None:
    """Give each worker its engine and start the servers. A worker's replacement gets the same engine."""
    engines = [config.option.engine] if config.option.engine else ENGINES
    if len(specs) < len(engines):
        pytest.exit("one worker cannot have two engines: use -n 2 or more, or choose one with --engine", 4)
    servers = config.stash[servers_key]
    for number, spec in enumerate(specs):
        engine = engines[number % len(engines)]
        spec.env.update({ENGINE_VARIABLE: engine, **servers.environment(engine, f"gw{number}")})
    start(config, postgres=POSTGRES in engines)


def start(config: pytest.Config, *, postgres: bool) -> None:
    """Start the servers; end the run with the reason if one does not start."""
    try:
        config.stash[servers_key].start(postgres=postgres)
    except (ServerError, OSError) as error:
        pytest.exit(f"the tests need their servers. {error}", pytest.ExitCode.INTERNAL_ERROR)


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> EngineScheduling:
    """Return the scheduler that knows the engines."""
    return EngineScheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each of its engines."""
    if metafunc.definition.get_closest_marker(NEUTRAL):
        return
    named = [engine for engine in ENGINES if metafunc.definition.get_closest_marker(engine)]
    default = [SQLITE] if metafunc.definition.get_closest_marker(ONE_ENGINE) else ENGINES
    metafunc.parametrize("engine", named or default, indirect=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse tests without a known engine; deselect tests of the other engine if there is only one."""
    for item in items:
        require_engine(item)
        if SLOW_FIXTURES.intersection(item.fixturenames):
            item.add_marker(pytest.mark.slow)
    if in_worker() and config.option.engine is None:
        return
    others = [item for item in items if engine_of_item(item) not in (engine_of_process(config), None)]
    deselected = set(others)
    items[:] = [item for item in items if item not in deselected]
    config.hook.pytest_deselected(items=others)


def engine_of_item(item: pytest.Item) -> str | None:
    """Return the engine of a test, or None for a neutral test."""
    return None if item.get_closest_marker(NEUTRAL) else engine_of(item.nodeid)


def require_engine(item: pytest.Item) -> None:
    """Raise a usage error for a test whose engine is unknown or contradicts its marker."""
    neutral = item.get_closest_marker(NEUTRAL)
    if neutral and (
        item.get_closest_marker("django_db") or DATABASE_FIXTURES.intersection(item.fixturenames)
    ):
        raise pytest.UsageError(f"{item.nodeid}: engine_neutral, but it uses the database")
    if not neutral and engine_of_item(item) is None:
        raise pytest.UsageError(
            f"{item.nodeid}: write tests as functions; this kind cannot run on each engine"
        )
