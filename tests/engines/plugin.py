"""The pytest plugin that gives every process its engine and every test the engines it runs on.

With xdist (``pytest -n auto``, at least two workers) half of the workers have SQLite and half PostgreSQL:
one run covers both. Without it, or with ``--engine``, everything runs on one engine and the tests of the
other are left out.
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
from tests.engines.table_cleanup import empty_instead_of_flush
from tests.servers.child_process import ServerError

WORKERS_PER_CORE = 2
MOST_WORKERS = 8
NEUTRAL = "engine_neutral"
# What a test asks for when it uses the database of its process.
DATABASE_FIXTURES = frozenset({"db", "transactional_db", "scratch_database"})

servers_key = pytest.StashKey[RunServers]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the choice of one engine."""
    parser.addoption(
        "--engine", choices=ENGINES, help="run on this engine only (without -n, the default is sqlite)"
    )


def in_worker() -> bool:
    """Tell whether this process was started by xdist, which has given it its environment."""
    return "PYTEST_XDIST_WORKER" in os.environ


def engine_of_process(config: pytest.Config) -> str:
    """Return the engine of this process's database."""
    return os.environ.get(ENGINE_VARIABLE) or config.known_args_namespace.engine or SQLITE


@pytest.fixture(autouse=True)
def engine(pytestconfig: pytest.Config) -> str:
    """The engine under test, ``"sqlite"`` or ``"postgres"``.

    A test that is about one of them is marked with its name instead of asking.
    """
    return engine_of_process(pytestconfig)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Set the environment before pytest-django reads the settings."""
    if in_worker():
        return
    forget_own_settings(early_config.rootpath)
    write_to_memory()
    servers = early_config.stash[servers_key] = RunServers()
    early_config.add_cleanup(servers.close)
    os.environ.update(servers.environment(engine_of_process(early_config), "main"))


def forget_own_settings(project: Path) -> None:
    """Empty every variable that the project reads: neither the shell nor ``.env`` reaches the tests."""
    example = (project / ".env.example").read_text(encoding="utf-8")
    os.environ.update(dict.fromkeys(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE), ""))


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Make the hashes of passwords cheap, which any process can check all the same, and the end of a test."""
    ScryptPasswordHasher.work_factor = 2
    empty_instead_of_flush()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the servers of a run without xdist."""
    config = session.config
    if not in_worker() and not config.pluginmanager.hasplugin("dsession") and not config.option.collectonly:
        start(config, postgres=engine_of_process(config) == POSTGRES)


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return how many workers ``-n auto`` starts: one of each engine a core, since they wait a lot."""
    return min(WORKERS_PER_CORE * (os.cpu_count() or 1), MOST_WORKERS)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config, specs: list[XSpec]) -> None:
    """Give each worker its engine and start the servers; who replaces a crashed worker gets the same."""
    engines = [config.option.engine] if config.option.engine else ENGINES
    if len(specs) < len(engines):
        pytest.exit("one worker cannot have two engines: use -n 2 or more, or choose one with --engine", 4)
    servers = config.stash[servers_key]
    for number, spec in enumerate(specs):
        engine = engines[number % len(engines)]
        spec.env.update({ENGINE_VARIABLE: engine, **servers.environment(engine, f"gw{number}")})
    start(config, postgres=POSTGRES in engines)


def start(config: pytest.Config, *, postgres: bool) -> None:
    """Start the servers, or end the run with the reason why that cannot be done."""
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
    """Run a test once for each engine that it is about."""
    if metafunc.definition.get_closest_marker(NEUTRAL):
        return
    named = [engine for engine in ENGINES if metafunc.definition.get_closest_marker(engine)]
    metafunc.parametrize("engine", named or ENGINES, indirect=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse tests that belong nowhere, and leave out those of the other engine if one process runs all."""
    for item in items:
        refuse_homeless(item)
    if in_worker() and config.option.engine is None:
        return
    others = [item for item in items if engine_of_item(item) not in (engine_of_process(config), None)]
    left_out = set(others)
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=others)


def engine_of_item(item: pytest.Item) -> str | None:
    """Return the engine that a test has to run on, or None for a test that is neutral."""
    return None if item.get_closest_marker(NEUTRAL) else engine_of(item.nodeid)


def refuse_homeless(item: pytest.Item) -> None:
    """Raise the usage error of a test whose engine cannot be told."""
    neutral = item.get_closest_marker(NEUTRAL)
    if neutral and (
        item.get_closest_marker("django_db") or DATABASE_FIXTURES.intersection(item.fixturenames)
    ):
        raise pytest.UsageError(f"{item.nodeid}: engine_neutral, but it uses the database")
    if not neutral and engine_of_item(item) is None:
        raise pytest.UsageError(
            f"{item.nodeid}: write tests as functions; this kind cannot run on each engine"
        )
