"""What the package's modules need of the cache client: the errors it raises, and a protocol to call it by."""

from collections.abc import Callable
from typing import Any, Protocol

from orchestrator.cache.scripts import Script


class CacheUnavailableError(ConnectionError):
    """The cache server did not do what it was asked: it is off, away, too slow, or refuses."""


class CacheRestartedError(CacheUnavailableError):
    """The server does not know the read script: it was restarted, and what it holds may be old."""


class CacheServer(Protocol):
    """The cache server, as ``orchestrator.cache.server.Server`` calls it."""

    enabled: bool

    @property
    def usable(self) -> bool:
        """Return whether a call would go out."""

    @property
    def read_script(self) -> Script:
        """Return the read script of this installation."""

    def ask(self, request: Callable[[Any], Any]) -> Any:
        """Send a request whatever the breaker says.

        Args:
            request: called with the low-level client; its result is returned.

        Raises:
            CacheUnavailableError: when there is no good reply.
        """

    def clock(self) -> int:
        """Return the server's time in milliseconds.

        Raises:
            CacheUnavailableError: when there is no good reply.
        """
