"""The one door to the cache server: scripts, time-outs, and a breaker that shuts it."""

import logging
from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any, Final

import redis
from django.conf import settings
from django.db import connections
from django_redis import get_redis_connection
from redis.backoff import NoBackoff
from redis.retry import Retry

from orchestrator.cache import keeper, scripts, statistics
from orchestrator.cache.breaker import Breaker, BreakerState
from orchestrator.cache.connections import Connections
from orchestrator.cache.interface import CacheRestartedError, CacheUnavailableError
from orchestrator.cache.scripts import Call, Script

logger = logging.getLogger(__name__)


class Server:
    """The cache server as this process sees it.

    Args:
        url: its address, with the time-outs of every call in it; None when the cache is off.
        probe: called in a thread of its own while the breaker is open; raises while the server is not well.
    """

    def __init__(self, url: str | None, probe: Callable[["Server"], object]) -> None:
        self.enabled = url is not None
        self._probe_server = probe
        self.breaker = Breaker(probe=self._probe, on_change=self._breaker_changed)

    @cached_property
    def client(self) -> Any:
        """Return the low-level client; a connection that broke while idle is replaced, without a pause."""
        client = get_redis_connection("default")
        client.set_retry(_RETRY)
        return client

    @cached_property
    def _connections(self) -> Connections:
        return Connections(self.client.connection_pool)

    @property
    def usable(self) -> bool:
        """Tell whether a call would go out."""
        return self.enabled and self.breaker.closed

    @cached_property
    def read_script(self) -> Script:
        """Return the read script of this installation."""
        database = self.client.connection_pool.connection_kwargs.get("db", 0)
        return scripts.read_script(settings.CACHE_PREFIX, database)

    def read(self, command: bytes) -> Any:
        """Run the read script, unless the breaker is open; see ``run``.

        Args:
            command: the script's, packed.

        Raises:
            CacheRestartedError: when the server was restarted: it does not know the script.
            CacheUnavailableError: when there is no good reply.
        """
        self._demand_usable()
        return self._judged(self._connections.ask, command)

    def run(self, call: Call) -> Any:
        """Run a script, unless the breaker is open.

        Args:
            call: see ``orchestrator.cache.scripts``.

        Returns:
            The script's reply, with bytes for strings.

        Raises:
            CacheUnavailableError: when there is no good reply.
        """
        self._demand_usable()
        try:
            return self._judged(self._connections.ask, call.by_digest())
        except CacheRestartedError:
            return self._judged(self._connections.ask, call.with_source())

    def ask(self, request: Callable[[Any], Any]) -> Any:
        """Send a request whatever the breaker says, and tell the breaker how it went.

        Args:
            request: called with the client; what it returns is returned.

        Raises:
            CacheRestartedError: see ``read``.
            CacheUnavailableError: when there is no good reply.
        """
        if not self.enabled:
            raise CacheUnavailableError("the cache is off")
        return self._judged(request, self.client)

    def clock(self) -> int:
        """Return the server's time in milliseconds.

        Raises:
            CacheUnavailableError: when the server does not tell.
        """
        seconds, microseconds = self.ask(lambda client: client.time())
        return int(seconds * 1000 + microseconds // 1000)

    def _demand_usable(self) -> None:
        if not self.usable:
            reason = "the circuit breaker is open" if self.enabled else "the cache is off"
            raise CacheUnavailableError(reason)

    def _judged(self, request: Callable[..., Any], *arguments: Any) -> Any:
        """Return what a request returns; tell the breaker how it went."""
        try:
            reply = request(*arguments)
        except redis.exceptions.NoScriptError as error:
            raise CacheRestartedError("the cache server was restarted") from error
        except redis.exceptions.OutOfMemoryError as error:
            # It has no room for an answer; all that the promise needs is allowed to exceed the limit.
            raise CacheUnavailableError(str(error)) from error
        except (redis.exceptions.RedisError, OSError) as error:
            self.breaker.failed(timed_out=isinstance(error, (redis.exceptions.TimeoutError, TimeoutError)))
            raise CacheUnavailableError(str(error)) from error
        self.breaker.succeeded()
        return reply

    def _probe(self) -> None:
        try:
            self._probe_server(self)
        finally:
            connections.close_all()  # the probe has a thread, and so a connection, of its own

    def _breaker_changed(self, state: BreakerState) -> None:
        statistics.count("breaker", state.value)
        logger.warning("cache breaker is %s", state.value)


_RETRY: Final = Retry(NoBackoff(), 1, supported_errors=(redis.exceptions.ConnectionError,))


def current() -> Server:
    """Return the server that the settings name."""
    return _server(settings.CACHE_URL)


@lru_cache(maxsize=8)
def _server(url: str | None) -> Server:
    # The server is well once the outbox is drained, which is what a tick does.
    return Server(url, probe=keeper.tick)


def deliver_counts() -> None:
    """Deliver what this process has counted: at its end."""
    if statistics.any_counted():
        statistics.deliver_if_due(current())
