"""Reading the kept counts."""

from typing import Final

from django.db import DEFAULT_DB_ALIAS, connections

from orchestrator.choices import JobStatus
from orchestrator.counts.compact import fold

#: The tables whose rows are counted.
TABLES: Final = ("jobs", "events", "tasks", "users")

#: A reader that finds more rows than this in ``row_counts`` folds them. Summing as many takes a millisecond;
#: there are more only if nothing folds in the background.
_FOLD_ABOVE: Final = 5000

# One statement, so one snapshot: it sees the rows from before a fold or from after it. The last column is the
# number of rows that a fold would remove.
_READ: Final = {
    "postgresql": """
        SELECT table_name, status, sum(rows), sum(unfolded) FROM (
            SELECT table_name, status, sum(rows) AS rows, count(*) - 1 AS unfolded
            FROM row_counts GROUP BY table_name, status, queue
        ) AS by_queue GROUP BY table_name, status
    """,
    "sqlite": "SELECT table_name, status, sum(rows), 0 FROM row_counts GROUP BY table_name, status",
}
_READ_QUEUES: Final = (
    "SELECT queue, status, sum(rows) FROM row_counts WHERE table_name = 'jobs'"
    " GROUP BY queue, status HAVING sum(rows) <> 0"
)


def jobs_by_status(using: str = DEFAULT_DB_ALIAS) -> dict[str, int]:
    """Return the number of jobs by status, with 0 for a status that no job has."""
    kept = _kept(using)
    return {status: kept.get(("jobs", status), 0) for status in JobStatus.values}


def jobs_by_queue(using: str = DEFAULT_DB_ALIAS) -> dict[str, dict[str, int]]:
    """Return the number of jobs by queue and status. Queues and statuses without a job are left out.

    The number of queues is not bounded, so neither is the result.
    """
    by_queue: dict[str, dict[str, int]] = {}
    with connections[using].cursor() as cursor:
        cursor.execute(_READ_QUEUES)
        for queue, status, number in cursor.fetchall():
            by_queue.setdefault(queue, {})[status] = int(number)
    return by_queue


def pending_by_queue(using: str = DEFAULT_DB_ALIAS) -> dict[str, int]:
    """Return the number of pending jobs by queue, without the queues that have none."""
    pending = JobStatus.PENDING
    return {
        queue: by_status[pending] for queue, by_status in jobs_by_queue(using).items() if pending in by_status
    }


def rows_by_table(using: str = DEFAULT_DB_ALIAS) -> dict[str, int]:
    """Return the number of rows of each of ``TABLES``."""
    rows = dict.fromkeys(TABLES, 0)
    for (table, _), number in _kept(using).items():
        rows[table] += number
    return rows


def rows_of(table: str, using: str = DEFAULT_DB_ALIAS) -> int:
    """Return the number of rows of a table.

    Args:
        table: one of ``TABLES``.
        using: alias of the database.

    Raises:
        KeyError: if the table's rows are not counted.
    """
    return rows_by_table(using)[table]


def _kept(using: str) -> dict[tuple[str, str], int]:
    """Return the kept counts by table and status. If very many rows are not folded yet, fold them."""
    connection = connections[using]
    with connection.cursor() as cursor:
        cursor.execute(_READ[connection.vendor])
        sums = cursor.fetchall()
    unfolded = sum(rows for *_, rows in sums)
    # Not in a caller's transaction: the fold's lock would stop all other folds until it ends.
    if unfolded > _FOLD_ABOVE and connections[DEFAULT_DB_ALIAS].get_autocommit():
        fold(shrink=False)
    return {(table, status): int(number) for table, status, number, _ in sums}
