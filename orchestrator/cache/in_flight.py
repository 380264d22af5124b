"""Writers: how a change is announced before its COMMIT, and what follows after it."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from django.db.backends.base.base import BaseDatabaseWrapper

from orchestrator.cache import client, keys, metrics, outbox, scripts, timing
from orchestrator.cache import tags as names
from orchestrator.cache.interface import CacheUnavailable

#: So many tags that name single rows are announced; more are announced as one change in bulk.
SINGLE_ROWS_AT_MOST: Final = 64

# The last outbox row that this process has waited out, by database alias: while it is still there, no lease
# can have begun since, and nobody trusts the cache.
_waited_out: dict[str, int] = {}


@dataclass(frozen=True)
class Write:
    """One transaction's changes, between the moment before its COMMIT and the acknowledgement.

    Args:
        tags: what it makes stale.
        announced: whether the cache server knows of it.
        row_id: the outbox row that does the server's part if it does not, else None.
    """

    tags: frozenset[str]
    announced: bool
    row_id: int | None = None
    writer: str = field(default_factory=keys.token)

    def end(self) -> bool:
        """Give the tags new generations, now that the transaction is over, one way or the other.

        Returns:
            Whether the cache server has done it. If not, and something was committed, the tags have to go
            into the outbox: what was begun can be lost with the server's memory.
        """
        if not self.announced:
            return True
        try:
            client.current().run(scripts.end(self.tags, writer=self.writer))
        except CacheUnavailable:
            metrics.count("failures", "end")
            return False
        for group in names.groups_of(self.tags):
            metrics.count("invalidations", group)
        return True

    def moved_to_outbox(self, connection: BaseDatabaseWrapper) -> "Write":
        """Append the tags to the outbox, and return the write as one that waits there.

        Args:
            connection: its transaction is over; the caller commits what this does.
        """
        return replace(self, announced=False, row_id=outbox.append(connection, self.tags))

    def wait_for_lease_expiry(self, connection: BaseDatabaseWrapper) -> None:
        """Return when no process can serve an answer from before this write any more.

        Nothing to wait for if the cache server knows of the write. Else its row is in the outbox, and it
        may be acknowledged once that is drained, or the lease that others may hold has passed.

        Args:
            connection: where the row is; its transaction is over.
        """
        if self.row_id is None:
            return
        deadline = time.monotonic() + timing.LEASE + timing.LEASE_SLACK
        witness = _waited_out.get(connection.alias)
        if witness is not None and outbox.holds(connection, witness):
            return
        while outbox.holds(connection, self.row_id):
            if time.monotonic() >= deadline:
                _waited_out[connection.alias] = self.row_id
                return
            time.sleep(timing.OUTBOX_POLL_EVERY)


def begin(connection: BaseDatabaseWrapper, known: Iterable[str], *, collecting: bool) -> Write | None:
    """Announce what the open transaction changed; to be called right before its COMMIT.

    Args:
        connection: the transaction's.
        known: tags that are stale for certain, whatever the outbox says.
        collecting: whether the outbox may say more.

    Returns:
        The write to be ended after the COMMIT, or None if nothing was changed.
    """
    # If a signal already announced a change, this transaction writes anyway, so DELETE … RETURNING is safe.
    # Otherwise it may be read-only: SELECT first. If the cache cannot be reached, the relay needs the rows.
    taking = collecting and bool(known) and client.current().usable
    rows = (outbox.take if taking else outbox.own)(connection) if collecting else outbox.NOTHING
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
        unnamed = tags - rows.tags
        last = outbox.append(connection, unnamed) if unnamed else max(rows.ids)
        return Write(tags, announced=False, row_id=last if client.current().enabled else None)
    if not taking:
        outbox.remove(connection, rows.ids)
    return write


def _bounded(tags: frozenset[str]) -> frozenset[str]:
    """Return the tags, those of single rows replaced by their tables' bulk tags if there are many."""
    if len(tags) <= SINGLE_ROWS_AT_MOST:
        return tags
    single = {tag: bulk for tag in tags if (bulk := names.bulk_of(tag))}
    if len(single) <= SINGLE_ROWS_AT_MOST:
        return tags
    return tags - single.keys() | set(single.values())
