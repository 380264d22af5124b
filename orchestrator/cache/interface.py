"""What the package's modules need of the cache client: its errors, and the protocol that they call it by."""

from collections.abc import Callable
from typing import Any, Protocol

from orchestrator.cache.scripts import Script


class CacheUnavailable(ConnectionError):
    """The cache is off, or the cache server is unreachable, too slow, or refused the command."""


class CacheRestarted(CacheUnavailable):
    """The server does not know the read script: it was restarted, so its entries may be old."""


class CacheClient(Protocol):
    """The part of ``orchestrator.cache.client.RedisCacheClient`` that other modules use."""

    enabled: bool
    group: Any
    """The servers of which Sentinel chooses one (``orchestrator.cache.failover``); None without Sentinel."""

    @property
    def usable(self) -> bool:
        """Return whether the cache is on and the circuit breaker closed."""

    @property
    def read_script(self) -> Script:
        """Return the read script of this installation."""

    def call(self, operation: Callable[[Any], Any]) -> Any:
        """Run an operation, even while the circuit breaker is open.

        Args:
            operation: called with the Redis client; its result is returned.

        Raises:
            CacheUnavailable: when the operation failed.
        """
