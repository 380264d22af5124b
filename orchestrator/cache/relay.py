"""The relay: it drains the outbox and keeps the epoch while no request does (``manage.py cache_relay``)."""

import threading

from django.db import DEFAULT_DB_ALIAS, connections

from orchestrator.cache import database, drain, epoch, outbox, timing
from orchestrator.cache.client import RedisCacheClient
from orchestrator.cache.interface import CacheUnavailable


def run_relay(cache: RedisCacheClient, stop: threading.Event) -> None:
    """Run the relay until ``stop`` is set; retry while the cache server or the database is unavailable.

    Args:
        cache: the cache client; while the cache is off, old rows are deleted.
        stop: ends the loop.
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
