"""The relay: it drains the outbox and keeps the epoch while no request does (``manage.py cache_relay``)."""

from queue import Empty, SimpleQueue

from django.db import DEFAULT_DB_ALIAS, connections

from orchestrator.cache import database, drain, epoch, outbox, timing
from orchestrator.cache.client import RedisCacheClient
from orchestrator.cache.interface import CacheUnavailable


class StopRequest:
    """A request to end, which a signal handler may make.

    A handler runs in the main thread. A ``threading.Event`` could not be set there: while it waits for the
    event, the main thread may hold the event's lock.
    """

    def __init__(self) -> None:
        self._requests: SimpleQueue[None] = SimpleQueue()

    def make(self, *_: object) -> None:
        """Make the request; may be called in any thread and as a signal handler."""
        self._requests.put(None)

    def wait(self, seconds: float) -> bool:
        """Wait for the request at most so many seconds; return whether it was made."""
        try:
            self._requests.get(timeout=seconds)
        except Empty:
            return False
        self._requests.put(None)  # for other threads, and for the next call
        return True


def run_relay(cache: RedisCacheClient, stop: StopRequest) -> None:
    """Run the relay until the request; retry while the cache server or the database is unavailable.

    Args:
        cache: the cache client; while the cache is off, old rows are deleted.
        stop: the request to end.
    """
    while not stop.wait(timing.RELAY_EVERY):
        try:
            if cache.enabled:
                cache.lease.renew(cache)
                epoch.establish(cache)
            else:
                _prune()
                stop.wait(timing.PRUNE_EVERY)
        except CacheUnavailable:
            connections[DEFAULT_DB_ALIAS].close_if_unusable_or_obsolete()
            stop.wait(timing.TRY_AGAIN_AFTER)


def _prune() -> None:
    """Keep the outbox small while the cache is off and nothing drains it."""
    connection = connections[DEFAULT_DB_ALIAS]
    with database.errors_as_unavailable():
        if drain.outbox_exists(connection):
            outbox.prune(connection, timing.PRUNE_AFTER)
