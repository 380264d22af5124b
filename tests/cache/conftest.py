"""Fixtures of the tests of the cache."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping

import pytest
from django.conf import LazySettings

from kyros import addresses
from orchestrator.cache import bodies
from orchestrator.cache import server as servers
from tests.servers.valkey import ValkeyServer


@pytest.fixture
def own_cache(
    valkey_server: Callable[..., ValkeyServer], settings: LazySettings
) -> Callable[..., ValkeyServer]:
    """A function that starts a private cache server, which this process then uses: ``own_cache(config)``."""

    def start(config: Mapping[str, str] | None = None) -> ValkeyServer:
        server = valkey_server(config)
        settings.CACHE_URL = addresses.cache(server.url)
        settings.CACHES = {
            **settings.CACHES,
            "default": {**settings.CACHES["default"], "LOCATION": settings.CACHE_URL},
        }
        servers._server.cache_clear()  # noqa: SLF001 - the last test's was at the same address
        bodies.kept.clear()
        return server

    return start


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
