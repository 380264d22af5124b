"""Writes in flight: a transaction's tags are announced before its COMMIT and end after it."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from django.db.backends.base.base import BaseDatabaseWrapper

from orchestrator.cache import client, keys, metrics, outbox, scripts, timing
from orchestrator.cache import tags as cache_tags
from orchestrator.cache.interface import CacheUnavailable

#: Tags of single rows that one write announces at most; beyond it announces their tables' bulk tags.
MAX_ROW_TAGS: Final = 64

# By database alias, the last outbox row for which this process waited until the lease had expired. While the
# row exists, no lease was given since.
_last_waited_out: dict[str, int] = {}


@dataclass(frozen=True)
class Write:
    """One transaction's changes, from just before its COMMIT until it is acknowledged.

    Args:
        tags: the tags that it invalidates.
        announced: whether the cache server knows of it.
        row_id: the id of the outbox row that invalidates the tags instead; None if there is none.
        writer: a token that names the write.
    """

    tags: frozenset[str]
    announced: bool
    row_id: int | None = None
    writer: str = field(default_factory=keys.token)

    def end(self) -> bool:
        """Give the tags new generations, after COMMIT or ROLLBACK.

        Returns:
            False if the cache server could not be reached. If the transaction was committed, the tags must
            then go into the outbox: the server may have lost its memory of this write.
        """
        if not self.announced:
            return True
        try:
            client.current().run(scripts.end(self.tags, writer=self.writer))
        except CacheUnavailable:
            metrics.count("failures", "end")
            return False
        for group in cache_tags.groups_of(self.tags):
            metrics.count("invalidations", group)
        return True

    def moved_to_outbox(self, connection: BaseDatabaseWrapper) -> "Write":
        """Append the tags to the outbox; return the write that waits for them to be drained.

        Args:
            connection: without an open transaction; the caller commits what this method writes.
        """
        return replace(self, announced=False, row_id=outbox.append(connection, self.tags))

    def wait_for_lease_expiry(self, connection: BaseDatabaseWrapper) -> None:
        """Wait until no process can serve a response from before this write.

        That is at once if the cache server knows of the write. Otherwise it is when the outbox row was
        drained, or when every lease that was given before the row was visible has expired.

        Args:
            connection: the connection to the outbox's database, without an open transaction.
        """
        if self.row_id is None:
            return
        deadline = time.monotonic() + timing.LEASE + timing.LEASE_SLACK
        earlier = _last_waited_out.get(connection.alias)
        if earlier is not None and outbox.contains(connection, earlier):
            return
        while outbox.contains(connection, self.row_id):
            if time.monotonic() >= deadline:
                _last_waited_out[connection.alias] = self.row_id
                return
            time.sleep(timing.OUTBOX_POLL_EVERY)


def begin(connection: BaseDatabaseWrapper, known: Iterable[str], *, collecting: bool) -> Write | None:
    """Announce what the open transaction changed; called right before its COMMIT.

    Args:
        connection: the transaction's connection.
        known: tags that the transaction has certainly changed.
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
    write = Write(tags, announced=True)
    try:
        client.current().run(scripts.begin(tags, writer=write.writer))
    except CacheUnavailable:
        metrics.count("failures", "begin")
        if taking:
            outbox.put_back(connection, rows)
        return _left_to_relay(connection, tags, rows)
    if not taking:
        outbox.remove(connection, rows.ids)
    return write


def _left_to_relay(connection: BaseDatabaseWrapper, tags: frozenset[str], rows: outbox.OutboxRows) -> Write:
    """Append the tags that are not in the outbox yet; return the write that waits for its last row."""
    missing = tags - rows.tags
    last = outbox.append(connection, missing) if missing else max(rows.ids)
    return Write(tags, announced=False, row_id=last if client.current().enabled else None)


def _bounded(tags: frozenset[str]) -> frozenset[str]:
    """Return the tags; more than ``MAX_ROW_TAGS`` tags of single rows are replaced by bulk tags."""
    if len(tags) <= MAX_ROW_TAGS:
        return tags
    bulk_tags = {tag: bulk for tag in tags if (bulk := cache_tags.bulk_of(tag))}
    if len(bulk_tags) <= MAX_ROW_TAGS:
        return tags
    return tags - bulk_tags.keys() | set(bulk_tags.values())
