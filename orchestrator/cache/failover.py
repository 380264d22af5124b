"""Which cache server counts, where Sentinel chooses one of several.

A replica that is promoted late holds old generations and old entries, and a primary that was cut off still
serves the processes that can reach it. So the database names the one server that counts, in the table
``cache_server``: a process trusts a server, and announces writes to it, only while the database names it.
``docs/redis.md`` says why this is enough.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import redis
from django.db import DEFAULT_DB_ALIAS, connections
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from orchestrator.cache import database, epoch, timing
from orchestrator.cache.interface import CacheClient, CacheUnavailable

_READ: Final = "SELECT number, identity FROM cache_server"
# Fails if another process has named a server since the number was read.
_REPLACE: Final = """
    INSERT INTO cache_server (id, number, identity) VALUES (1, %(number)s + 1, %(identity)s)
    ON CONFLICT (id) DO UPDATE SET number = excluded.number, identity = excluded.identity
    WHERE cache_server.number = %(number)s
"""

#: How long a server must have been named before writes are announced to it, or its entries served.
_SETTLES_AFTER: Final = timing.LEASE + timing.LEASE_MARGIN

# The server that this thread's connections may lead to, instead of the group's: None for any.
_thread = threading.local()


class ServerGroup:
    """A primary and its replicas, and what this process knows of the server that the database names."""

    def __init__(self) -> None:
        self.server: str | None = None
        """The server that connections may lead to; None, before the first look, for any. Until then this
        process has no lease and announces no write, so nothing depends on the server."""
        self._looking = threading.RLock()
        self._number = -1
        self._since = self._looked = 0.0

    def look(self, cache: CacheClient, *, may_replace: bool) -> None:
        """Compare the server that the database names with the one that Sentinel names.

        Args:
            cache: the client of this group.
            may_replace: name the server of Sentinel in the database if they differ. Not in a transaction.

        Raises:
            CacheUnavailable: when they differ, or do not respond.
        """
        # One at a time, so that no thread puts an older view in the place of a newer one.
        if not self._looking.acquire(timeout=timing.LEASE):
            raise CacheUnavailable("another thread compares the cache servers")
        try:
            self._look(cache, may_replace=may_replace)
        finally:
            self._looking.release()

    def _look(self, cache: CacheClient, *, may_replace: bool) -> None:
        started = time.monotonic()
        number, named = self._read()
        here = _identify(cache)
        if here != named:
            _disconnect(cache)  # an old connection may lead to an old primary
            here = _identify(cache)
        if here != named:
            if not may_replace:
                raise CacheUnavailable("another cache server is named in the database")
            self._replace(cache, number, here)
        self.server, self._looked = here, started

    def require_settled(self, cache: CacheClient, *, fresh: bool = False) -> None:
        """Return if the database has named this process's server for ``_SETTLES_AFTER``.

        Args:
            cache: the client of this group.
            fresh: look at the database now, and not only if the last look is older than a lease.

        Raises:
            CacheUnavailable: when it has not.
        """
        if fresh or time.monotonic() > self._looked + timing.LEASE:
            self.look(cache, may_replace=False)
        if time.monotonic() < self._since + _SETTLES_AFTER:
            raise CacheUnavailable("the cache server was named just now")

    def check(self, connection: Any) -> None:
        """Raise the library's ``ConnectionError`` if a connection leads to another server."""
        allowed = getattr(_thread, "server", self.server)
        if allowed is not None and connection.server != allowed:
            connection.disconnect()
            raise redis.exceptions.ConnectionError("the connection leads to another cache server")

    def _read(self) -> tuple[int, str]:
        with database.errors_as_unavailable(), connections[DEFAULT_DB_ALIAS].cursor() as cursor:
            cursor.execute(_READ)
            number, named = cursor.fetchone() or (0, "")
        self._seen(number)
        return number, named

    def _seen(self, number: int) -> None:
        if number != self._number:
            self._number, self._since = number, time.monotonic()

    def _replace(self, cache: CacheClient, number: int, here: str) -> None:
        """Void the entries of a server, then name it in the database."""
        with _only(here):
            epoch.doubt(cache)
        with database.errors_as_unavailable(), connections[DEFAULT_DB_ALIAS].cursor() as cursor:
            cursor.execute(_REPLACE, {"number": number, "identity": here})
            replaced = cursor.rowcount == 1
        if not replaced:
            raise CacheUnavailable("another process has named a cache server")
        self._seen(number + 1)


def _identify(cache: CacheClient) -> str:
    """Return the identity of the primary that Sentinel names."""
    with _only(None):
        return str(cache.call(lambda redis_client: _identity(redis_client.info("server", "replication"))))


def _disconnect(cache: CacheClient) -> None:
    cache.call(lambda redis_client: redis_client.connection_pool.disconnect(inuse_connections=False))


def _identity(info: dict[str, Any]) -> str:
    """Return what differs after every start of a server and after every promotion."""
    if info["role"] != "master":
        raise redis.exceptions.ConnectionError("the cache server is a replica")
    return f"{info['run_id']}:{info['master_replid']}"


@contextmanager
def _only(server: str | None) -> Iterator[None]:
    """Let this thread's connections lead to one server, or to any for None."""
    _thread.server = server
    try:
        yield
    finally:
        del _thread.server


def _bound_class(base: Any, group: ServerGroup) -> Any:
    """Return a class of connections that know their server, and are used only while that one counts."""

    class BoundConnection(base):  # type: ignore[misc]
        server = ""

        def on_connect_check_health(self, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - the library's
            self.server = ""
            super().on_connect_check_health(check_health=check_health)
            self.send_command("INFO", "server", "replication")
            lines = self.read_response().decode().splitlines()
            self.server = _identity(dict(line.split(":", 1) for line in lines if ":" in line))
            group.check(self)

        def send_packed_command(self, command: Any, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - the library's
            if self._sock and self.server:
                group.check(self)
            super().send_packed_command(command, check_health)

        def read_response(self, *args: Any, disconnect_on_error: bool = True, **options: Any) -> Any:
            # The library's class for Sentinel keeps a connection whose reply is late, and would take that
            # reply for the one to the next command.
            return super().read_response(*args, disconnect_on_error=disconnect_on_error, **options)

    return BoundConnection


def connect(sentinels: Any, group: ServerGroup) -> Any:
    """Return the library's client of the primary that Sentinel names.

    Args:
        sentinels: ``settings.CACHE_SENTINELS``.
        group: what its connections are bound to.
    """
    options = parse_url(sentinels.server_url)  # type: ignore[no-untyped-call]
    tls = options.pop("connection_class", None) is not None
    for name in ("host", "port"):
        options.pop(name, None)
    own = {name: value for name, value in options.items() if name.startswith(("socket_", "ssl_"))}
    own |= {"username": sentinels.username, "password": sentinels.password}
    # By default the library queries a sentinel that is away three times more, with pauses of seconds.
    own |= {"retry": Retry(NoBackoff(), 0), "ssl": tls}
    manager = Sentinel(sentinels.nodes, sentinel_kwargs=own)  # type: ignore[no-untyped-call]
    pool = SentinelConnectionPool(  # type: ignore[no-untyped-call]
        sentinels.service, manager, ssl=tls, **options
    )
    pool.connection_class = _bound_class(pool.connection_class, group)
    return redis.Redis(connection_pool=pool)
