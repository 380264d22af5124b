"""The barrier before an acknowledgement: what is acknowledged must be visible in every later read.

A response may build on a change that the cache does not know of yet: a write that could not be announced, or
SQL from elsewhere. Its tags are in the outbox as soon as the change is visible.
"""

import time

from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from orchestrator.cache import client, drain, outbox, timing
from orchestrator.cache.interface import CacheUnavailable

# By database alias, the last outbox row for which this process waited until all leases had ended. While the
# row exists, no process has renewed its lease since.
_last_waited_out: dict[str, int] = {}


def wait() -> None:
    """Return when no process can serve a response from before what is committed now."""
    cache, connection = client.current(), connections[DEFAULT_DB_ALIAS]
    if not cache.enabled or connection.in_atomic_block or _has_looked(connection):
        return
    try:
        row_id = outbox.last_id(connection) if drain.outbox_exists(connection) else None
        if row_id is not None and not (cache.usable and _drained()):
            wait_for_leases(connection, row_id)
    except (DatabaseError, InterfaceError):
        # Whatever the response acknowledges, no lease outlives this pause unless its process sees the outbox.
        time.sleep(timing.LEASE + timing.LEASE_MARGIN)


def _has_looked(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the outbox was empty after all that this request has read: its COMMIT looked at it."""
    looked, connection.saw_empty_outbox = getattr(connection, "saw_empty_outbox", False), False  # type: ignore[attr-defined]
    return looked


def _drained() -> bool:
    try:
        drain.drain_outbox(client.current())
    except CacheUnavailable:
        return False
    return True


def wait_for_leases(connection: BaseDatabaseWrapper, row_id: int) -> None:
    """Wait until an outbox row was drained, or every lease from before it was visible has ended.

    Args:
        connection: the connection to the outbox's database, without an open transaction.
        row_id: the row's id.
    """
    deadline = time.monotonic() + timing.LEASE + timing.LEASE_MARGIN
    earlier = _last_waited_out.get(connection.alias)
    if earlier is not None and outbox.contains(connection, earlier):
        return
    while outbox.contains(connection, row_id):
        if time.monotonic() >= deadline:
            _last_waited_out[connection.alias] = row_id
            return
        time.sleep(timing.OUTBOX_POLL_EVERY)
