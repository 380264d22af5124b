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

from orchestrator.cache import metrics, relay, scripts
from orchestrator.cache.breaker import BreakerState, CircuitBreaker
from orchestrator.cache.interface import CacheRestarted, CacheUnavailable
from orchestrator.cache.raw_pool import RawPool
from orchestrator.cache.scripts import Call, Script

logger = logging.getLogger(__name__)


class RedisCacheClient:
    """The cache server as this process sees it.

    Args:
        url: its address, with the time-outs of every call in it; None when the cache is off.
        probe: called in a thread of its own while the breaker is open; raises while the server is not well.
    """

    def __init__(self, url: str | None, probe: Callable[["RedisCacheClient"], object]) -> None:
        self.enabled = url is not None
        self._probe_server = probe
        self.breaker = CircuitBreaker(probe=self._probe, on_change=self._breaker_changed)

    @cached_property
    def client(self) -> Any:
        """Return the low-level client; a connection that broke while idle is replaced, without a pause."""
        client = get_redis_connection("default")
        client.set_retry(_RETRY)
        return client

    @cached_property
    def _connections(self) -> RawPool:
        return RawPool(self.client.connection_pool)

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
            CacheRestarted: when the server was restarted: it does not know the script.
            CacheUnavailable: when there is no good reply.
        """
        self._require_usable()
        return self._guarded(self._connections.call, command)

    def run(self, call: Call) -> Any:
        """Run a script, unless the breaker is open.

        Args:
            call: see ``orchestrator.cache.scripts``.

        Returns:
            The script's reply, with bytes for strings.

        Raises:
            CacheUnavailable: when there is no good reply.
        """
        self._require_usable()
        try:
            return self._guarded(self._connections.call, call.by_digest())
        except CacheRestarted:
            return self._guarded(self._connections.call, call.with_source())

    def call(self, request: Callable[[Any], Any]) -> Any:
        """Send a request whatever the breaker says, and tell the breaker how it went.

        Args:
            request: called with the client; what it returns is returned.

        Raises:
            CacheRestarted: see ``read``.
            CacheUnavailable: when there is no good reply.
        """
        if not self.enabled:
            raise CacheUnavailable("the cache is off")
        return self._guarded(request, self.client)

    def clock(self) -> int:
        """Return the server's time in milliseconds.

        Raises:
            CacheUnavailable: when the server does not tell.
        """
        seconds, microseconds = self.call(lambda client: client.time())
        return int(seconds * 1000 + microseconds // 1000)

    def _require_usable(self) -> None:
        if not self.usable:
            reason = "the circuit breaker is open" if self.enabled else "the cache is off"
            raise CacheUnavailable(reason)

    def _guarded(self, request: Callable[..., Any], *arguments: Any) -> Any:
        """Return what a request returns; tell the breaker how it went."""
        try:
            reply = request(*arguments)
        except redis.exceptions.NoScriptError as error:
            raise CacheRestarted("the cache server was restarted") from error
        except redis.exceptions.OutOfMemoryError as error:
            # It has no room for an answer; all that the promise needs is allowed to exceed the limit.
            raise CacheUnavailable(str(error)) from error
        except (redis.exceptions.RedisError, OSError) as error:
            self.breaker.failed(timed_out=isinstance(error, (redis.exceptions.TimeoutError, TimeoutError)))
            raise CacheUnavailable(str(error)) from error
        self.breaker.succeeded()
        return reply

    def _probe(self) -> None:
        try:
            self._probe_server(self)
        finally:
            connections.close_all()  # the probe has a thread, and so a connection, of its own

    def _breaker_changed(self, state: BreakerState) -> None:
        metrics.count("breaker", state.value)
        logger.warning("cache breaker is %s", state.value)


_RETRY: Final = Retry(NoBackoff(), 1, supported_errors=(redis.exceptions.ConnectionError,))


def current() -> RedisCacheClient:
    """Return the server that the settings name."""
    return _server(settings.CACHE_URL)


@lru_cache(maxsize=8)
def _server(url: str | None) -> RedisCacheClient:
    # The server is well once the outbox is drained, which is what ``relay_once`` does.
    return RedisCacheClient(url, probe=relay.relay_once)


def deliver_counts() -> None:
    """Deliver what this process has counted: at its end."""
    if metrics.any_counted():
        metrics.flush_if_due(current())
