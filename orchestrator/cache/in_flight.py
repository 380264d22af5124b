"""Writes in flight: a transaction's tags are announced before its COMMIT and end after it."""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from orchestrator.cache import barrier, client, database, epoch, keys, metrics, outbox, scripts, timing
from orchestrator.cache import tags as cache_tags
from orchestrator.cache.client import RedisCacheClient
from orchestrator.cache.interface import CacheUnavailable

#: Tags of single rows that one write announces at most; beyond it announces their tables' bulk tags.
MAX_ROW_TAGS: Final = 64


@dataclass(frozen=True)
class Write:
    """One transaction's changes, from just before its COMMIT until it is acknowledged.

    Args:
        tags: the tags that it invalidates.
        writer: names the write in the cache server; empty if the server does not know of it.
        row_id: the id of the outbox row that invalidates the tags instead; None if there is none.
    """

    tags: frozenset[str]
    writer: str = ""
    row_id: int | None = None

    def end(self) -> None:
        """Give the tags new generations, after COMMIT or ROLLBACK, without waiting for the cache server.

        Until it has done so, the tags are in flight and no entry of theirs is served. If it does not receive
        the call, they stay in flight until ``end_dead_writers`` ends them.
        """
        if not self.writer:
            return
        try:
            client.current().send(scripts.end(self.tags, writers=[self.writer]))
        except CacheUnavailable:
            metrics.count("failures", "end")
            return
        for group in cache_tags.groups_of(self.tags):
            metrics.count("invalidations", group)

    def wait_until_seen(self, connection: BaseDatabaseWrapper) -> None:
        """Wait until no process can serve a response from before this write.

        Args:
            connection: the connection that committed it, without an open transaction.
        """
        if self.row_id is not None:
            barrier.wait_for_leases(connection, self.row_id)


def begin(
    connection: BaseDatabaseWrapper, known: Iterable[str], *, transaction: str, collecting: bool
) -> Write | None:
    """Announce what the open transaction changed; called right before its COMMIT.

    Args:
        connection: the transaction's connection.
        known: tags that the transaction has certainly changed.
        transaction: its id, if it is known.
        collecting: whether the outbox may hold more of the transaction's tags.

    Returns:
        The write, to be ended after the COMMIT; None if nothing was changed.
    """
    # If a signal already announced a change, this transaction writes anyway, so DELETE … RETURNING is safe.
    # Otherwise it may be read-only: SELECT first. If the cache is unusable, leave the rows for the relay.
    taking = collecting and bool(known) and client.current().usable
    rows = (outbox.take if taking else outbox.own)(connection) if collecting else outbox.NO_ROWS
    tags = _bounded(rows.tags.union(known))
    if not tags:
        return None
    writer = f"{transaction or database.current_transaction(connection)}:{keys.token()}"
    try:
        if group := client.current().group:
            group.require_settled(client.current())
        client.current().run(scripts.begin(tags, writer=writer))
    except CacheUnavailable:
        metrics.count("failures", "begin")
        if taking:
            outbox.put_back(connection, rows)
        return _left_to_relay(connection, tags, rows)
    if not taking:
        outbox.remove(connection, rows.ids)
    return Write(tags, writer)


def _left_to_relay(connection: BaseDatabaseWrapper, tags: frozenset[str], rows: outbox.OutboxRows) -> Write:
    """Append the tags that are not in the outbox yet; return the write that waits for its last row."""
    missing = tags - rows.tags
    last = outbox.append(connection, missing) if missing else max(rows.ids)
    return Write(tags, row_id=last if client.current().enabled else None)


# --- Writers that died between begin and end ----------------------------------------------------------------

_next_check = 0.0
_checking = threading.Lock()


def end_dead_writers(cache: RedisCacheClient, tags: Iterable[str]) -> None:
    """End the writes in flight whose transaction is over, though their writer has not ended them.

    Does nothing if this process did it less than ``WRITERS_CHECKED_EVERY`` seconds ago.

    Args:
        cache: the cache client.
        tags: tags with a writer in flight.

    Raises:
        CacheUnavailable: when the cache server or the database does not respond.
    """
    global _next_check  # noqa: PLW0603 - one timer per process
    with _checking:
        if time.monotonic() < _next_check:
            return
        _next_check = time.monotonic() + timing.WRITERS_CHECKED_EVERY
    suspected = cache.run(scripts.writers(tags))
    if suspected == 0:
        epoch.doubt(cache)
    elif suspected:
        with database.errors_as_unavailable():
            _end_if_over(cache, tags, suspected)


def _end_if_over(cache: RedisCacheClient, tags: Iterable[str], suspected: list[bytes]) -> None:
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.vendor == "sqlite":
        with database.no_other_writer(connection) as alone:
            over = suspected if alone else []
    else:
        over = [writer for writer in suspected if database.is_over(connection, _transaction_of(writer))]
    if over:
        cache.run(scripts.end(tags, writers=over))


def _transaction_of(writer: bytes) -> str:
    return writer.decode(errors="replace").partition(":")[0]


def _bounded(tags: frozenset[str]) -> frozenset[str]:
    """Return the tags; more than ``MAX_ROW_TAGS`` tags of single rows are replaced by bulk tags."""
    if len(tags) <= MAX_ROW_TAGS:
        return tags
    bulk_tags = {tag: bulk for tag in tags if (bulk := cache_tags.bulk_of(tag))}
    if len(bulk_tags) <= MAX_ROW_TAGS:
        return tags
    return tags - bulk_tags.keys() | set(bulk_tags.values())
