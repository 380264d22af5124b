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
from orchestrator.cache import client, local_entries
from tests.cache.wsgi_client import MiddlewareClient, forget_routes
from tests.servers.child_process import ChildProcess
from tests.servers.valkey import ValkeyServer

#: On a machine that is busy with other tests, a slow response must not look like a frozen server.
LONG_TIMEOUTS = "socket_timeout=1&socket_connect_timeout=1"


@pytest.fixture
def use_cache(settings: LazySettings) -> Callable[[str], None]:  # pytest-django restores the settings
    """A function that lets this process use the cache server at a URL."""

    def use(url: str) -> None:
        settings.CACHE_URL = connection_urls.cache_url(url)
        settings.CACHES = {
            **settings.CACHES,
            "default": {**settings.CACHES["default"], "LOCATION": settings.CACHE_URL},
        }
        client._client_for.cache_clear()  # noqa: SLF001 - the last test's server had the same URL
        local_entries.entries.clear()

    return use


@pytest.fixture
def own_cache(
    valkey_server: Callable[..., ValkeyServer], use_cache: Callable[[str], None]
) -> Callable[..., ValkeyServer]:
    """A function that starts a private cache server for this process: ``own_cache(config)``."""

    def start(config: Mapping[str, str] | None = None) -> ValkeyServer:
        server = valkey_server(config)
        use_cache(f"{server.url}&{LONG_TIMEOUTS}")
        return server

    return start


@pytest.fixture
def collecting(transactional_db: None) -> Iterator[None]:
    """A connection that collects its tags from the outbox, as on SQLite.

    On PostgreSQL it is one that does not listen for notices, as behind a pooler that ignores start options.
    """
    if connection.vendor == "sqlite":
        yield
        return
    set_listening("off")
    yield
    set_listening("on")


def set_listening(value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('kyros.notices', %s, false)", [value])
    with connection.schema_editor():
        """A schema change makes the connection check again whether the triggers send notices."""


@pytest.fixture
def script(database_url: str) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """A function that runs ``python -m tests.cache.<name> arguments`` on this test's database."""

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

    Without an argument it uses this process's cache server.
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
def middleware(db: None) -> MiddlewareClient:
    """The middleware of cached responses, which has no routes yet."""
    forget_routes()
    return MiddlewareClient()
