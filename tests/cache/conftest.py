"""Fixtures of the tests of the cache."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from django.conf import LazySettings, settings
from django.db import connection

from kyros import connection_urls
from orchestrator.cache import client as servers
from orchestrator.cache import local_entries, timing
from tests.cache.wsgi import Lane, forget_lanes
from tests.servers.child_process import ChildProcess
from tests.servers.valkey import ValkeyServer

#: A machine that is busy with other tests must not look like a server that is frozen.
PATIENCE = "socket_timeout=1&socket_connect_timeout=1"


@pytest.fixture
def own_cache(
    valkey_server: Callable[..., ValkeyServer],
    settings: LazySettings,  # pytest-django's, which it puts back
) -> Callable[..., ValkeyServer]:
    """A function that starts a private cache server, which this process then uses: ``own_cache(config)``."""

    def start(config: Mapping[str, str] | None = None) -> ValkeyServer:
        server = valkey_server(config)
        settings.CACHE_URL = connection_urls.cache_url(f"{server.url}&{PATIENCE}")
        settings.CACHES = {
            **settings.CACHES,
            "default": {**settings.CACHES["default"], "LOCATION": settings.CACHE_URL},
        }
        servers._server.cache_clear()  # noqa: SLF001 - the last test's was at the same address
        local_entries.kept.clear()
        return server

    return start


@pytest.fixture
def long_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease that a busy machine does not let run out between two steps of a test of this process."""
    monkeypatch.setattr(timing, "LEASE", 60)


@pytest.fixture
def collecting(transactional_db: None) -> Iterator[None]:
    """A connection to which the triggers tell nothing: what they say is collected, as on SQLite.

    On PostgreSQL that is one that does not listen, as behind a pooler that ignores start options.
    """
    if connection.vendor == "sqlite":
        yield
        return
    listen(False)
    yield
    listen(True)


def listen(on: bool) -> None:  # noqa: FBT001 - as a switch has it
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('kyros.listens', %s, false)", ["on" if on else "off"])
    with connection.schema_editor():
        """The connection looks at the database anew."""


@pytest.fixture
def script(database_url: str) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """A function that runs ``python -m tests.cache.<name> arguments`` on this test's database to its end."""

    def run(
        name: str, *arguments: object, env: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", f"tests.cache.{name}", *map(str, arguments)],
            env={**os.environ, "DATABASE_URL": database_url, **(env or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


@pytest.fixture
def relay_on(
    database_url: str, valkey: ValkeyServer, tmp_path: Path
) -> Iterator[Callable[..., ChildProcess]]:
    """A function that starts the relay's process on this test's database: ``relay_on(cache)``.

    Without a server it keeps that of this process.
    """
    processes: list[ChildProcess] = []

    def start(cache: ValkeyServer | None = None) -> ChildProcess:
        env = {"DATABASE_URL": database_url, "REDIS_URL": (cache or valkey).url}
        processes.append(
            ChildProcess(
                [sys.executable, settings.BASE_DIR / "manage.py", "cache_relay"],
                tmp_path / "relay.log",
                env={**os.environ, **env},
            )
        )
        return processes[-1]

    yield start
    for process in processes:
        process.stop()


@pytest.fixture
def lane(db: None) -> Lane:
    """The fast lane, which knows no address yet."""
    forget_lanes()
    return Lane()
