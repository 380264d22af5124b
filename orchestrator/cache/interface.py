"""What the package's modules need of the cache client: the errors it raises, and a protocol to call it by."""

from collections.abc import Callable
from typing import Any, Protocol

from orchestrator.cache.scripts import Script


class CacheUnavailable(ConnectionError):
    """The cache server did not do what it was asked: it is off, away, too slow, or refuses."""


class CacheRestarted(CacheUnavailable):
    """The server does not know the read script: it was restarted, and what it holds may be old."""


class CacheClient(Protocol):
    """The cache server, as ``orchestrator.cache.client.RedisCacheClient`` calls it."""

    enabled: bool

    @property
    def usable(self) -> bool:
        """Return whether a call would go out."""

    @property
    def read_script(self) -> Script:
        """Return the read script of this installation."""

    def call(self, request: Callable[[Any], Any]) -> Any:
        """Send a request whatever the breaker says.

        Args:
            request: called with the low-level client; its result is returned.

        Raises:
            CacheUnavailable: when there is no good reply.
        """

    def clock(self) -> int:
        """Return the server's time in milliseconds.

        Raises:
            CacheUnavailable: when there is no good reply.
        """
