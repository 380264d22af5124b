"""The relay: drains the outbox, renews the lease, and voids old entries after a restart of the cache server.

``run_relay`` is the loop of ``manage.py cache_relay``. A reader that finds no lease calls ``relay_once``
itself. Several relays at the same time do not disturb each other.
"""

import threading
from typing import Any, Final

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from orchestrator.cache import metrics, outbox, scripts, timing
from orchestrator.cache import tags as cache_tags
from orchestrator.cache.interface import CacheClient, CacheUnavailable
from orchestrator.cache.outbox import OutboxRows
from orchestrator.cache.scripts import Call

#: Outbox rows drained in one transaction, and tags above which voiding every entry is cheaper.
MAX_ROWS_AT_ONCE: Final = 5000
MAX_TAGS_AT_ONCE: Final = 500


def relay_once(cache: CacheClient) -> bool:
    """Drain the outbox and renew the lease; return whether the cache may be trusted now.

    Raises:
        CacheUnavailable: when the cache server or the database does not respond.
    """
    renewal = _drain_and_renew(cache)
    return bool(cache.call(lambda redis_client: redis_client.execute_command(*renewal.parts)))


def reset_after_restart(cache: CacheClient) -> bool:
    """Void every entry of a restarted server, then load the read script; return whether there is a lease.

    Raises:
        CacheUnavailable: when the cache server or the database does not respond.
    """
    renewal = _drain_and_renew(cache, void_everything=True)

    def void_and_load(redis_client: Any) -> Any:
        # One transaction, because the server could restart again between the two commands.
        pipeline = redis_client.pipeline(transaction=True)
        pipeline.execute_command(*renewal.parts)
        pipeline.script_load(cache.read_script.source)
        return pipeline.execute()[0]

    return bool(cache.call(void_and_load))


def run_relay(cache: CacheClient, stop: threading.Event) -> None:
    """Run the relay until ``stop`` is set; retry while the cache server or the database is unavailable."""
    while not stop.wait(timing.RELAY_EVERY):
        try:
            if cache.enabled:
                relay_once(cache)
                metrics.flush_if_due(cache)
            else:
                _prune()
                stop.wait(timing.PRUNE_EVERY)
        except CacheUnavailable:
            connections[DEFAULT_DB_ALIAS].close_if_unusable_or_obsolete()
            stop.wait(timing.TRY_AGAIN_AFTER)


def prune_after() -> int:
    """Return the age in seconds after which every entry that an outbox row invalidates has expired."""
    longest = max(getattr(settings, name) for name in cache_tags.TTL_SETTINGS.values())
    return int(longest * (1 + timing.TTL_JITTER)) + timing.PRUNE_MARGIN


def _prune() -> None:
    """Keep the outbox small while the cache is off and nothing drains it."""
    connection = connections[DEFAULT_DB_ALIAS]
    try:
        if outbox.exists(connection):
            outbox.prune(connection, prune_after())
    except (DatabaseError, InterfaceError) as error:
        raise CacheUnavailable("the outbox cannot be pruned") from error


def _drain_and_renew(cache: CacheClient, *, void_everything: bool = False) -> Call:
    """Drain the outbox; return the call that renews the lease.

    The lease ends ``LEASE`` seconds after the server's time *before* the outbox was read. The writer of every
    row that is committed later waits at least that long.
    """
    started_at = cache.clock()
    _drain(cache)
    lease_end = started_at + int(timing.LEASE * 1000)
    return scripts.drain(lease_end=lease_end, void_everything=void_everything)


# The aliases of databases that have the outbox: before its migration there is nothing to drain.
_with_outbox: set[str] = set()


def _drain(cache: CacheClient) -> None:
    """Invalidate the tags of all outbox rows.

    Raises:
        CacheUnavailable: when the cache server or the database does not respond.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    try:
        if connection.alias not in _with_outbox:
            if not outbox.exists(connection):
                return
            _with_outbox.add(connection.alias)
        _drain_rows(cache, connection)
    except (DatabaseError, InterfaceError) as error:
        raise CacheUnavailable("the outbox cannot be read") from error


def _drain_rows(cache: CacheClient, connection: BaseDatabaseWrapper) -> None:
    # Until a read finds it empty: to a writer that waited for an earlier row, that row's presence proves that
    # no lease was given since.
    while outbox.pending(connection, 1).ids:
        # On SQLite a trigger does not append a tag that the outbox already has: no transaction may commit
        # between the invalidation of the tag and the deletion of its row.
        with transaction.atomic(using=DEFAULT_DB_ALIAS):
            rows = outbox.pending(connection, MAX_ROWS_AT_ONCE)
            _invalidate(cache, rows)
            outbox.remove(connection, rows.ids)
        for group in cache_tags.groups_of(rows.tags):
            metrics.count("invalidations", group)


def _invalidate(cache: CacheClient, rows: OutboxRows) -> None:
    call = scripts.drain(rows.tags, void_everything=len(rows.tags) > MAX_TAGS_AT_ONCE)
    cache.call(lambda redis_client: redis_client.execute_command(*call.parts))
