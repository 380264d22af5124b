"""The lease: a process may trust the cache for ``LEASE`` seconds after it began to look at the database.

A writer that could not announce its change to the cache server leaves the tags in the outbox and waits for
that long: by then every process has looked, and found them, or does not trust the cache any more. The lease
is measured by the process's own monotonic clock, so no other machine's clock matters.
"""

import threading
import time

from django.db import DEFAULT_DB_ALIAS, connections

from orchestrator.cache import database, drain, epoch, timing
from orchestrator.cache.interface import CacheClient, CacheUnavailable


class Lease:
    """This process's lease on one cache server."""

    def __init__(self) -> None:
        self._until = 0.0
        self._renewal_began = 0.0
        self._epoch_kept = 0.0
        self._history: database.History | None = None
        self._renewing = threading.Lock()

    @property
    def fresh(self) -> bool:
        """Return whether more than half of it is left."""
        return self._left() > timing.LEASE / 2

    def hold(self, cache: CacheClient) -> None:
        """Renew the lease if less than half of it is left; return while it is valid.

        Called without an open transaction.

        Raises:
            CacheUnavailable: when it has ended and cannot be renewed.
        """
        if self.fresh:
            return
        valid = self._left() > 0
        # While one thread renews it, the others use what is left. Where nothing is left, a renewal that takes
        # longer than a lease is not worth waiting for: the database may hang.
        worth_waiting = max(0.0, self._renewal_began + timing.LEASE - time.monotonic())
        if not self._renewing.acquire(timeout=0 if valid else worth_waiting):
            if valid:
                return
            raise CacheUnavailable("another thread renews the lease")
        try:
            if not self.fresh:
                self._renew(cache)
        finally:
            self._renewing.release()

    def _left(self) -> float:
        """Return for how many seconds the lease is still valid."""
        return self._until - time.monotonic()

    def renew(self, cache: CacheClient) -> None:
        """Look at the database: drain the outbox, and void the cache if the data may have been brought back.

        Raises:
            CacheUnavailable: when the cache server or the database does not respond.
        """
        with self._renewing:
            self._renew(cache)

    def _renew(self, cache: CacheClient) -> None:
        started = self._renewal_began = time.monotonic()
        connection = connections[DEFAULT_DB_ALIAS]
        with database.errors_as_unavailable():
            if not drain.outbox_exists(connection):
                self._until = started + timing.LEASE
                return
            if cache.group:
                cache.group.look(cache, may_replace=True)
            pending, history = database.look(connection)
        if pending:
            drain.drain_outbox(cache)
        looked_lately = epoch.looked_lately(cache)
        # A process that starts relies on those that run: they would have seen another history.
        same = history.continues(self._history) if self._history else looked_lately
        if not same:
            epoch.void(cache)
        self._history = history
        if started - self._epoch_kept > timing.EPOCH_KEPT / 10:
            epoch.keep(cache)
            self._epoch_kept = started
        self._until = started + timing.LEASE
