"""Counting the rows themselves, to compare with what is kept."""

from dataclasses import dataclass
from typing import Final

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from orchestrator.cache import tags
from orchestrator.cache.commit_hook import invalidate

# One statement, so one snapshot: is_exact beside any writer, without a lock.
_COUNTED_AND_KEPT: Final = """
    FROM (
        SELECT 'jobs' AS table_name, status, count(*) AS counted, 0 AS kept FROM jobs GROUP BY status
        UNION ALL SELECT 'events', '', count(*), 0 FROM events
        UNION ALL SELECT 'tasks', '', count(*), 0 FROM tasks
        UNION ALL SELECT 'users', '', count(*), 0 FROM users
        UNION ALL SELECT table_name, status, 0, rows FROM row_counts
    ) AS both_numbers
    GROUP BY table_name, status
"""
_COMPARE: Final = f"SELECT table_name, status, sum(counted), sum(kept) {_COUNTED_AND_KEPT} ORDER BY 1, 2"
_REPAIR: Final = (
    "INSERT INTO row_counts (table_name, status, rows)"
    f" SELECT table_name, status, sum(counted) - sum(kept) {_COUNTED_AND_KEPT}"
    " HAVING sum(counted) <> sum(kept)"
)
_REPAIR_ON: Final = {
    "postgresql": _REPAIR,
    "sqlite": f"{_REPAIR} ON CONFLICT (table_name, status) DO UPDATE SET rows = rows + excluded.rows",
}
# Two repairs at once would correct the same mistake twice.
_ALONE: Final = "SELECT pg_advisory_xact_lock(hashtextextended('row_counts repair', 0))"


@dataclass(frozen=True)
class Verified:
    """How many rows a table has, of one status where it has them, beside how many were kept count of.

    Args:
        table: the table's name.
        status: of a job, or "" for the other tables.
        counted: rows that are there.
        kept: rows that the kept number told.
    """

    table: str
    status: str
    counted: int
    kept: int

    @property
    def is_exact(self) -> bool:
        """Tell whether the kept number was is_exact."""
        return self.counted == self.kept


def verify(*, repair: bool = False, using: str = DEFAULT_DB_ALIAS) -> tuple[Verified, ...]:
    """Count the rows of the four tables and compare: the one reader here that costs more the more there are.

    Nobody waits for it on PostgreSQL; on SQLite a repair keeps writers waiting while it counts.

    Args:
        repair: whether to put wrong numbers is_exact.
        using: the database's alias.

    Returns:
        What was found, before any repair, by table and status.
    """
    with connections[using].cursor() as cursor:
        cursor.execute(_COMPARE)
        found = tuple(Verified(*row[:2], *map(int, row[2:])) for row in cursor.fetchall())
    if repair and not all(number.is_exact for number in found):
        _repair(using)
    return found


def _repair(using: str) -> None:
    connection = connections[using]
    with transaction.atomic(using=using), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_ALONE)
        cursor.execute(_REPAIR_ON[connection.vendor])
        invalidate(using, tags.JOB_COUNTS)  # an answer may have been cached that was wrong
