"""Takes expired partitions out of ``events``, and drops them once all of their rows are archived.

A partition leaves in two steps, and a run that was killed between them is continued by the next one: DETACH
CONCURRENTLY, for which no client waits; then one transaction that takes its rows out of the exact counts,
invalidates the cached responses with events, and changes the table's comment.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from orchestrator.cache import tags
from orchestrator.cache.commit_hook import invalidate
from orchestrator.partitions.catalog import DETACHED, Partition, count_rows, has_rows
from orchestrator.partitions.creation import attach_new, partition_name
from orchestrator.partitions.short_locks import in_short_transaction


class ArchivedRows(Protocol):
    """Counts the rows of a detached partition that the archive has."""

    def __call__(self, partition: str, /, *, read_files: bool) -> int:
        """Return how many rows are in files of the right size, or with ``read_files`` in whole ones."""


_SUBTRACT: Final = """
    INSERT INTO row_counts (table_name, status, rows)
    SELECT 'events', '', -count(*) FROM {} HAVING count(*) > 0
"""


def expired(existing: Iterable[Partition], cutoff: datetime) -> list[Partition]:
    """Return the attached partitions all of whose possible rows are older than the cutoff."""
    return [
        each
        for each in existing
        if each.state == "attached" and each.upper is not None and each.upper <= cutoff
    ]


def detach(connection: BaseDatabaseWrapper, partition: Partition) -> None:
    """Detach a partition, or finish an interrupted DETACH. It waits until running transactions end."""
    how = "FINALIZE" if partition.state == "detaching" else "CONCURRENTLY"
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE events DETACH PARTITION {partition.name} {how}")


def uncount(connection: BaseDatabaseWrapper, name: str) -> None:
    """Take the rows of a table that was detached out of the counts and the cache."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {name} IN SHARE MODE")
        cursor.execute(_SUBTRACT.format(name))
        cursor.execute(f"DROP TRIGGER refuse_write ON {name}")
        cursor.execute(f"COMMENT ON TABLE {name} IS '{DETACHED}'")
        invalidate(connection.alias, tags.EVENTS, tags.EVENTS_IN_BULK)


def uncovered_past(existing: Iterable[Partition], cutoff: datetime) -> datetime | None:
    """Return where the partitions that are not expired begin; None if one covers all time before it."""
    attached = [each for each in existing if each.state == "attached"]
    old = expired(attached, cutoff)
    begin = next(each.lower for each in attached if each not in old)
    return None if [(each.lower, each.upper) for each in old] == [(None, begin)] else begin


def cover_past(
    connection: BaseDatabaseWrapper, existing: Sequence[Partition], cutoff: datetime
) -> datetime | None:
    """Let one empty partition take the place of all expired ones, so that old events can be restored.

    Does nothing if an expired partition has rows: a restore has just written them, and the next run detaches
    it.

    Returns:
        Where the new partition ends; None if there is none.
    """
    begin, old = uncovered_past(existing, cutoff), expired(existing, cutoff)
    if begin is None:
        return None
    # No name is used twice: the archive may know the rows of the last partition of this name.
    name = f"{partition_name(None, begin)}_{timezone.now():%Y%m%d%H%M%S%f}"

    def replace(cursor: Any) -> datetime | None:
        cursor.execute("LOCK TABLE ONLY events IN ACCESS EXCLUSIVE MODE")
        if any(has_rows(connection, each.name) for each in old):
            return None
        for each in old:
            cursor.execute(f"DROP TABLE {each.name}")
        attach_new(cursor, name, None, begin)
        return begin

    return in_short_transaction(connection, replace)


def is_archived(connection: BaseDatabaseWrapper, name: str, archived: ArchivedRows) -> bool:
    """Return whether the archive has every row of a detached partition, by its manifest: no file is read."""
    if not has_rows(connection, name):
        return True
    rows = archived(name, read_files=False)
    return rows > 0 and count_rows(connection, name) == rows


def drop_if_archived(connection: BaseDatabaseWrapper, name: str, archived: ArchivedRows) -> bool:
    """Drop a detached partition if whole files have every row; return whether it was dropped.

    The files are read only if the manifest has every row: this is the last check before the rows are gone.
    """
    if not is_archived(connection, name, archived):
        return False
    rows = archived(name, read_files=True)

    def drop(cursor: Any) -> bool:
        cursor.execute(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")
        if count_rows(connection, name) not in (0, rows):
            return False
        cursor.execute(f"DROP TABLE {name}")
        return True

    return in_short_transaction(connection, drop)
