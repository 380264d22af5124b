"""Fixtures for all tests. Each test runs on SQLite and on PostgreSQL unless a marker says otherwise."""

import copy
import gc
import os
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
from django.db import connection, connections
from pytest_django import DjangoDbBlocker
from rest_framework.test import APIClient

from monitoring import timeouts
from orchestrator.cache import timing
from orchestrator.choices import Role
from orchestrator.leases import contacts, expiry
from orchestrator.models import User
from tests.engines import POSTGRES
from tests.servers.postgres import PostgresServer
from tests.servers.valkey import ValkeyServer
from tests.servers.web import WebServer
from tests.users import client_for, make_user


def pytest_collection_finish() -> None:
    """Exclude imported modules from garbage collection, so that collections are cheap."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


# --- Users and their clients --------------------------------------------------------------------------------


@pytest.fixture
def api() -> APIClient:
    """A client without credentials. It sends JSON: ``api.post("/api/v1/jobs/", {"name": "x"})``."""
    return APIClient()


@pytest.fixture
def user(db: None) -> User:
    """A user with the role user. For other users: ``tests.users.make_user("ada", Role.MODERATOR)``."""
    return make_user("user")


@pytest.fixture
def moderator(db: None) -> User:
    """A user with the role moderator."""
    return make_user("moderator", Role.MODERATOR)


@pytest.fixture
def admin_user(db: None) -> User:
    """A user with the role admin. This replaces pytest-django's fixture of the same name."""
    return make_user("admin", Role.ADMIN)


@pytest.fixture
def as_user(user: User) -> APIClient:
    """A client signed in as ``user``. For other users: ``tests.users.client_for(user)``."""
    return client_for(user)


@pytest.fixture
def as_moderator(moderator: User) -> APIClient:
    """A client signed in as ``moderator``."""
    return client_for(moderator)


@pytest.fixture
def as_admin(admin_user: User) -> APIClient:
    """A client signed in as ``admin_user``."""
    return client_for(admin_user)


@pytest.fixture
def long_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease on the cache that does not expire between two steps of a test on a busy machine."""
    monkeypatch.setattr(timing, "LEASE", 60)


# --- Servers ------------------------------------------------------------------------------------------------

folders = count(1)


@pytest.fixture(scope="session")
def valkey() -> ValkeyServer:
    """The cache server of this process (``settings.CACHE_URL``): read and write, but never stop it."""
    return ValkeyServer(Path(urlsplit(os.environ["REDIS_URL"]).path).parent)


@pytest.fixture(scope="session")
def _valkey_client(valkey: ValkeyServer) -> Iterator[redis.Redis]:
    with valkey.client() as client:
        yield client


@pytest.fixture(autouse=True)
def _empty_caches(_valkey_client: redis.Redis) -> None:
    _valkey_client.flushall()


@pytest.fixture(autouse=True)
def _forget_workers() -> None:
    """Let the first claim of a worker write its row, also if the last test has rolled it back."""
    contacts.forget()


@pytest.fixture(autouse=True)
def _claims_end_no_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave expired leases to the tests that end them."""
    monkeypatch.setattr(expiry, "end_some", lambda: None)


@pytest.fixture(autouse=True)
def _long_time_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use long timeouts, so that a busy machine does not look like a frozen server."""
    monkeypatch.setattr(timeouts, "TIME_BUDGET_SECONDS", 20)


@pytest.fixture
def server_folder() -> Callable[[str], Path]:
    """A function that returns a new folder for a private server, with a path short enough for sockets.

    Each call returns another folder, so that no client of one server can reach another test's server.
    """
    return lambda kind: Path(os.environ["KYROS_DATA_DIR"]) / f"{kind}{next(folders)}"


@pytest.fixture
def valkey_server(server_folder: Callable[[str], Path]) -> Iterator[Callable[..., ValkeyServer]]:
    """A function that starts a private cache server for one test, which may freeze or kill it.

    Call ``valkey_server()``, or pass settings of valkey.conf:
    ``valkey_server({"maxmemory": "2mb", "maxmemory-policy": "allkeys-lru"})``.
    """
    servers: list[ValkeyServer] = []

    def start(config: Mapping[str, str] | None = None) -> ValkeyServer:
        servers.append(ValkeyServer(server_folder("valkey"), config))
        return servers[-1].start()

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def postgres_server(server_folder: Callable[[str], Path]) -> Iterator[Callable[..., PostgresServer]]:
    """A function that starts a private PostgreSQL server for one test, which may freeze or kill it.

    Call ``postgres_server()``, or pass settings of postgresql.conf:
    ``postgres_server({"autovacuum": "on"})``.
    """
    servers: list[PostgresServer] = []

    def start(settings: Mapping[str, str] | None = None) -> PostgresServer:
        servers.append(PostgresServer(server_folder("postgres"), settings))
        return servers[-1].start()

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def database_url(db: None) -> str:
    """The ``DATABASE_URL`` of this test's database, for other processes."""
    return url_of_database()


def url_of_database() -> str:
    """Return the ``DATABASE_URL`` of this process's database, which must be set up."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()


@pytest.fixture
def web(transactional_db: None, database_url: str, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """A function that starts the real web server on this test's database and returns its URL.

    Call ``web(workers=2)``, or pass environment variables: ``web(env={"REDIS_URL": "none"})``. The server
    ends with the test.
    """
    servers: list[WebServer] = []

    def start(workers: int = 2, env: Mapping[str, str] | None = None, application: str = "") -> str:
        log = tmp_path / f"web{len(servers)}.log"
        servers.append(WebServer(log, {"DATABASE_URL": database_url, **(env or {})}, workers, application))
        return servers[-1].url

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def scratch_database(engine: str, django_db_blocker: DjangoDbBlocker, tmp_path: Path) -> Iterator[str]:
    """The alias of a new, empty database without a surrounding transaction, for tests of migrations."""
    alias, description = "scratch", copy.deepcopy(connections["default"].settings_dict)
    description["NAME"] = (
        f"scratch_{os.getpid()}" if engine == POSTGRES else str(tmp_path / "scratch.sqlite3")
    )
    description["OPTIONS"].pop("pool", None)
    if engine == POSTGRES:
        _execute_on_server(f"CREATE DATABASE {description['NAME']}")
    connections.databases[alias] = description
    with django_db_blocker.unblock():
        yield alias
        connections[alias].close()
    del connections[alias], connections.databases[alias]
    if engine == POSTGRES:
        _execute_on_server(f"DROP DATABASE {description['NAME']} WITH (FORCE)")


def _execute_on_server(statement: str) -> None:
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path="/postgres").geturl()
    with psycopg.connect(url, autocommit=True) as maintenance:
        maintenance.execute(statement)
