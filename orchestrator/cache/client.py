"""The client of the cache server: it runs scripts, with deadlines and a circuit breaker."""

import logging
import time
from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any, Final

import hiredis
import redis
from django.conf import settings
from django.db import connections
from django_redis import get_redis_connection
from redis.backoff import NoBackoff
from redis.retry import Retry

from orchestrator.cache import epoch, failover, metrics, scripts, timing
from orchestrator.cache.breaker import BreakerState, CircuitBreaker
from orchestrator.cache.failover import ServerGroup
from orchestrator.cache.interface import CacheRestarted, CacheUnavailable
from orchestrator.cache.lease import Lease
from orchestrator.cache.raw_pool import BoundedParser, RawPool, deadline_at
from orchestrator.cache.scripts import Call, Script

logger = logging.getLogger(__name__)


class RedisCacheClient:
    """This process's client of one cache server.

    Args:
        url: the server's URL, which includes the time-outs of every call; None when the cache is off.
    """

    def __init__(self, url: str | None) -> None:
        self.enabled = url is not None
        self.group = ServerGroup() if url and settings.CACHE_SENTINELS else None
        self.lease = Lease()
        self.breaker = CircuitBreaker(probe=self._probe, on_change=self._breaker_changed)

    @cached_property
    def redis_client(self) -> Any:
        """Return the library's client. It replaces a connection that broke while idle, without a pause."""
        if self.group:
            redis_client = failover.connect(settings.CACHE_SENTINELS, self.group)
        else:
            redis_client = get_redis_connection("default")
        redis_client.connection_pool.connection_kwargs["parser_class"] = BoundedParser
        redis_client.set_retry(_RETRY)
        return redis_client

    @cached_property
    def _raw_pool(self) -> RawPool:
        return RawPool(
            self.redis_client.connection_pool,
            on_late_error=self._late_error,
            check=self.group.check if self.group else None,
        )

    @property
    def usable(self) -> bool:
        """Return whether the cache is on and the circuit breaker closed."""
        return self.enabled and self.breaker.closed

    @cached_property
    def read_script(self) -> Script:
        """Return the read script of this installation."""
        database = self.redis_client.connection_pool.connection_kwargs.get("db", 0)
        return scripts.read_script(settings.CACHE_PREFIX, database)

    def read(self, command: bytes) -> Any:
        """Run the read script, unless the breaker is open; see ``run``.

        Args:
            command: the packed call of the read script, by its digest.

        Raises:
            CacheRestarted: when the server does not know the script.
            CacheUnavailable: when the call failed.
        """
        self._require_usable()
        return self._exchange(command)

    def run(self, call: Call) -> Any:
        """Run a script, unless the breaker is open.

        Args:
            call: the script with its keys and arguments; see ``orchestrator.cache.scripts``.

        Returns:
            The script's reply, with bytes for strings.

        Raises:
            CacheUnavailable: when the call failed.
        """
        self._require_usable()
        try:
            return self._exchange(call.by_digest())
        except CacheRestarted:
            return self._exchange(call.with_source())

    def send(self, call: Call) -> None:
        """Have a script run, unless the breaker is open; do not wait for it.

        The source is sent along, because nobody would repeat the call for a server that has not loaded it.

        Args:
            call: see ``run``.

        Raises:
            CacheUnavailable: when the call could not be sent. A later failure is counted.
        """
        self._require_usable()
        self._guarded(self._raw_pool.send, call.with_source())

    def call(self, operation: Callable[[Any], Any]) -> Any:
        """Run an operation, even while the breaker is open, and report its outcome to the breaker.

        Args:
            operation: called with the Redis client; its result is returned.

        Raises:
            CacheRestarted: see ``read``.
            CacheUnavailable: when the operation failed.
        """
        if not self.enabled:
            raise CacheUnavailable("the cache is off")
        timeout = self.redis_client.connection_pool.connection_kwargs["socket_timeout"]
        with deadline_at(time.monotonic() + timeout * timing.LIBRARY_TIMEOUTS):
            return self._guarded(operation, self.redis_client)

    def _require_usable(self) -> None:
        if not self.usable:
            reason = "the circuit breaker is open" if self.enabled else "the cache is off"
            raise CacheUnavailable(reason)

    def _exchange(self, command: bytes) -> Any:
        """Send a command and return the reply; report to the breaker whether it was slow."""
        reply, slow = self._guarded(self._raw_pool.call, command)
        self.breaker.responded(slow=slow)
        return reply

    def _guarded(self, operation: Callable[..., Any], argument: Any) -> Any:
        """Run an operation; report its outcome to the breaker and translate its errors."""
        try:
            reply = operation(argument)
        except redis.exceptions.NoScriptError as error:
            raise CacheRestarted("the cache server was restarted") from error
        except redis.exceptions.OutOfMemoryError as error:
            # No failure of the server: only storing an entry needs memory below the limit.
            raise CacheUnavailable(str(error)) from error
        except (redis.exceptions.RedisError, OSError) as error:
            self.breaker.failed(timed_out=isinstance(error, (redis.exceptions.TimeoutError, TimeoutError)))
            raise CacheUnavailable(str(error)) from error
        self.breaker.succeeded()
        return reply

    def _late_error(self) -> None:
        """Record that a call of ``send`` failed. Only the ends of writes are sent."""
        metrics.count("failures", "end")

    def _probe(self) -> None:
        """Raise while the server is slow or unhealthy. It is healthy once the outbox was drained into it."""
        try:
            if self.group:
                self.group.look(self, may_replace=True)
            self._require_fast()
            epoch.establish(self)
            self.lease.renew(self)
        finally:
            connections.close_all()  # the probe runs in a thread of its own, with its own connection

    def _require_fast(self) -> None:
        for _ in range(_PROBE_EXCHANGES):
            _, slow = self._guarded(self._raw_pool.call, _PROBE)
            if slow:
                raise CacheUnavailable("the cache server is slow")

    def _breaker_changed(self, state: BreakerState) -> None:
        metrics.count("breaker", state.value)
        logger.warning("cache breaker is %s", state.value)


#: A command of which kilobytes are sent in each direction, and how often a probe sends it.
_PROBE: Final = hiredis.pack_command((b"EVAL", b"return ARGV[1]", b"0", bytes(8 * 1024)))  # type: ignore[arg-type]
_PROBE_EXCHANGES: Final = 5

_RETRY: Final = Retry(NoBackoff(), 1, supported_errors=(redis.exceptions.ConnectionError,))


def current() -> RedisCacheClient:
    """Return the client of the server that the settings name."""
    return _client_for(settings.CACHE_URL)


@lru_cache(maxsize=8)
def _client_for(url: str | None) -> RedisCacheClient:
    return RedisCacheClient(url)


def flush_counts() -> None:
    """Send what this process has counted to the cache server; called when the process ends."""
    if metrics.has_counts() and current().usable:
        metrics.flush(current())


metrics.send_to(current)
