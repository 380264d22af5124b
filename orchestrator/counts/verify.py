"""Counting the rows, to verify and repair the kept counts."""

from dataclasses import dataclass
from typing import Final

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from orchestrator.cache import tags
from orchestrator.cache.commit_hook import invalidate
from orchestrator.counts.read import TABLES

_COUNT_OTHER_TABLES: Final = " UNION ALL ".join(
    f"SELECT '{table}', '', '', count(*), 0 FROM {table}"  # noqa: S608 - constants
    for table in TABLES
    if table != "jobs"
)
# One statement, so one snapshot: exact beside any writer, without a lock.
_COUNTED_AND_KEPT: Final = f"""
    FROM (
        SELECT 'jobs' AS table_name, status, queue, count(*) AS counted, 0 AS kept
        FROM jobs GROUP BY status, queue
        UNION ALL {_COUNT_OTHER_TABLES}
        UNION ALL SELECT table_name, status, queue, 0, rows FROM row_counts
    ) AS both_numbers
    GROUP BY table_name, status, queue
"""  # noqa: S608 - constants
_COMPARE: Final = (
    f"SELECT table_name, status, queue, sum(counted), sum(kept) {_COUNTED_AND_KEPT} ORDER BY 1, 2, 3"
)
_REPAIR: Final = (
    "INSERT INTO row_counts (table_name, status, queue, rows)"
    f" SELECT table_name, status, queue, sum(counted) - sum(kept) {_COUNTED_AND_KEPT}"
    " HAVING sum(counted) <> sum(kept)"
)
_REPAIR_ON: Final = {
    "postgresql": _REPAIR,
    "sqlite": f"{_REPAIR} ON CONFLICT (table_name, status, queue) DO UPDATE SET rows = rows + excluded.rows",
}
# Two repairs at once would correct the same error twice.
_LOCK_REPAIR: Final = "SELECT pg_advisory_xact_lock(hashtextextended('row_counts repair', 0))"


@dataclass(frozen=True)
class VerifiedCount:
    """The counted rows of a table beside the kept count. Jobs are counted by status and queue.

    Args:
        table: the table's name.
        status: the status of the jobs; "" for the other tables.
        queue: the queue of the jobs; "" for the other tables.
        counted: the number of rows found by counting.
        kept: the number that the triggers kept.
    """

    table: str
    status: str
    queue: str
    counted: int
    kept: int

    @property
    def is_exact(self) -> bool:
        """Return whether both numbers are equal."""
        return self.counted == self.kept


def verify(*, repair: bool = False, using: str = DEFAULT_DB_ALIAS) -> tuple[VerifiedCount, ...]:
    """Count the rows of all tables and compare them with the kept counts. The time grows with the tables.

    On PostgreSQL this blocks nothing; on SQLite a repair blocks writers while it counts.

    Args:
        repair: whether to correct wrong counts.
        using: alias of the database.

    Returns:
        The numbers before any repair, by table, status and queue.
    """
    with connections[using].cursor() as cursor:
        cursor.execute(_COMPARE)
        found = tuple(VerifiedCount(*row[:3], *map(int, row[3:])) for row in cursor.fetchall())
    if repair and not all(count.is_exact for count in found):
        _repair(using)
    return found


def _repair(using: str) -> None:
    connection = connections[using]
    with transaction.atomic(using=using), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_LOCK_REPAIR)
        cursor.execute(_REPAIR_ON[connection.vendor])
        invalidate(using, tags.JOB_COUNTS)  # a response with a wrong count may have been cached
