"""Draining the outbox: its tags get new generations. Several processes may do it at the same time."""

from typing import Final

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from orchestrator.cache import database, epoch, metrics, outbox, scripts
from orchestrator.cache import tags as cache_tags
from orchestrator.cache.interface import CacheClient
from orchestrator.cache.outbox import OutboxRows

#: Outbox rows drained in one transaction, and tags above which voiding every entry is cheaper.
MAX_ROWS_AT_ONCE: Final = 5000
MAX_TAGS_AT_ONCE: Final = 500

# The aliases of databases that have the outbox: before its migration there is nothing to drain.
_with_outbox: set[str] = set()


def outbox_exists(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the database has the outbox; remembered once it has."""
    if connection.alias not in _with_outbox and outbox.exists(connection):
        _with_outbox.add(connection.alias)
    return connection.alias in _with_outbox


def drain_outbox(cache: CacheClient) -> None:
    """Invalidate the tags of all outbox rows, and delete the rows.

    Raises:
        CacheUnavailable: when the cache server or the database does not respond.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    if cache.group and not connection.in_atomic_block:
        cache.group.look(cache, may_replace=True)
    with database.errors_as_unavailable():
        # Until a read finds it empty: to a writer that waited for an earlier row, that row's presence proves
        # that no process has renewed its lease since.
        while outbox.pending(connection, 1).ids:
            # On SQLite a trigger does not append a tag that the outbox already has: no transaction may commit
            # between the invalidation of the tag and the deletion of its row.
            with transaction.atomic(using=DEFAULT_DB_ALIAS):
                rows = outbox.pending(connection, MAX_ROWS_AT_ONCE)
                if cache.group:
                    cache.group.require_settled(cache, fresh=True)
                _invalidate(cache, rows)
                outbox.remove(connection, rows.ids)
            for group in cache_tags.groups_of(rows.tags):
                metrics.count("invalidations", group)


def _invalidate(cache: CacheClient, rows: OutboxRows) -> None:
    if len(rows.tags) > MAX_TAGS_AT_ONCE:
        epoch.void(cache)
        return
    call = scripts.invalidate(rows.tags)
    cache.call(lambda redis_client: redis_client.execute_command(*call.parts))
