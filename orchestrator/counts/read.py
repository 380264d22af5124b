"""What the kept numbers say."""

from typing import Final

from django.db import DEFAULT_DB_ALIAS, connections

from orchestrator.choices import JobStatus
from orchestrator.counts.compact import fold

TABLES: Final = ("jobs", "events", "tasks", "users")

#: Rows of ``row_counts`` that a reader leaves unfolded: summing them takes it a millisecond. More of them are
#: only there where nothing folds in the background.
_FOLD_ABOVE: Final = 5000

# One statement, so one snapshot: what a fold replaces is seen from before or from after it.
_READ: Final = "SELECT table_name, status, sum(rows), count(*) FROM row_counts GROUP BY table_name, status"


def jobs_by_status(using: str = DEFAULT_DB_ALIAS) -> dict[str, int]:
    """Return how many jobs have each status, 0 where none has.

    Args:
        using: the database's alias.
    """
    kept = _kept(using)
    return {status: kept.get(("jobs", status), 0) for status in JobStatus.values}


def rows_by_table(using: str = DEFAULT_DB_ALIAS) -> dict[str, int]:
    """Return how many rows each of the four tables has.

    Args:
        using: the database's alias.
    """
    rows = dict.fromkeys(TABLES, 0)
    for (table, _), number in _kept(using).items():
        rows[table] += number
    return rows


def rows_of(table: str, using: str = DEFAULT_DB_ALIAS) -> int:
    """Return how many rows a table has.

    Args:
        table: one of ``TABLES``.
        using: the database's alias.

    Raises:
        KeyError: for a table whose rows are not kept count of.
    """
    return rows_by_table(using)[table]


def _kept(using: str) -> dict[tuple[str, str], int]:
    """Return the rows by table and status; fold first what nobody has folded for long."""
    connection = connections[using]
    with connection.cursor() as cursor:
        cursor.execute(_READ)
        sums = cursor.fetchall()
    unfolded = sum(parts for *_, parts in sums)
    # Not in a caller's transaction: it would keep the others from folding until it ends.
    if unfolded > _FOLD_ABOVE and using == DEFAULT_DB_ALIAS and connection.get_autocommit():
        fold(shrink=False)
    return {(table, status): int(number) for table, status, number, _ in sums}
