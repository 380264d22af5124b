"""The one door to the cache server: scripts, time-outs, and a breaker that shuts it."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final

import hiredis
import redis
from django.conf import settings
from django.db import connections
from django_redis import get_redis_connection
from redis.backoff import NoBackoff
from redis.retry import Retry

from orchestrator.cache import statistics
from orchestrator.cache.breaker import Breaker, BreakerState
from orchestrator.cache.connections import Connections

logger = logging.getLogger(__name__)


class CacheUnavailableError(ConnectionError):
    """The cache server did not do what it was asked: it is off, away, too slow, or refuses."""


class CacheRestartedError(CacheUnavailableError):
    """The server does not know the read script: it was restarted, and what it holds may be old."""


@dataclass(frozen=True, eq=False)
class Script:
    """A Lua script that the server runs as one step.

    Args:
        name: the file's name in ``lua/``, without its ending.
        remark: a comment that makes it another script than the same file without it.
    """

    name: str
    remark: str = ""
    source: str = field(init=False, repr=False)
    digest: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        source = (Path(__file__).parent / "lua" / f"{self.name}.lua").read_text(encoding="utf-8")
        source += f"-- {self.remark}\n" if self.remark else ""
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "digest", hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())

    def command(self, keys: list[str], arguments: list[Any]) -> bytes:
        """Return the packed command that runs the script on a server that knows it.

        Args:
            keys: the keys it touches.
            arguments: strings, bytes or numbers.
        """
        return _packed("EVALSHA", self.digest, len(keys), *keys, *arguments)

    def loading(self, keys: list[str], arguments: list[Any]) -> bytes:
        """Return the same for a server that may not know it."""
        return _packed("EVAL", self.source, len(keys), *keys, *arguments)


OPEN: Final = Script("open")
FILL: Final = Script("fill")
BEGIN: Final = Script("begin")
END: Final = Script("end")
TICK: Final = Script("tick")


class Server:
    """The cache server as this process sees it.

    Args:
        url: its address, with the time-outs of every call in it; None when the cache is off.
    """

    def __init__(self, url: str | None) -> None:
        self.enabled = url is not None
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
    def reading(self) -> Script:
        """Return the read script of this installation: who shares the server must not load it for us."""
        database = self.client.connection_pool.connection_kwargs.get("db", 0)
        return Script("read", remark=f"{settings.CACHE_PREFIX} {database}")

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

    def run(self, script: Script, keys: list[str], arguments: list[Any]) -> Any:
        """Run a script, unless the breaker is open.

        Args:
            script: what to run.
            keys: the keys it touches.
            arguments: strings, bytes or numbers.

        Returns:
            The script's reply, with bytes for strings.

        Raises:
            CacheUnavailableError: when there is no good reply.
        """
        self._demand_usable()
        try:
            return self._judged(self._connections.ask, script.command(keys, arguments))
        except CacheRestartedError:
            return self._judged(self._connections.ask, script.loading(keys, arguments))

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
        """See whether the server is well, which it is once the outbox is drained."""
        from orchestrator.cache import keeper  # noqa: PLC0415 - the keeper asks this server

        try:
            keeper.tick(self)
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
    return Server(url)


def _packed(*command: Any) -> bytes:
    packed: bytes = hiredis.pack_command(command)
    return packed
