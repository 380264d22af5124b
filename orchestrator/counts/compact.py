"""Compaction: replacing the rows that writers appended to ``row_counts`` by their sums keeps reads fast."""

from typing import Final

from django.db import DEFAULT_DB_ALIAS, connections

#: A fold that leaves more dead rows than this vacuums them itself; autovacuum runs only once a minute.
_VACUUM_ABOVE: Final = 1000

# Readers need not read every queue that ever had a job. A trigger inserts the row again with the next job.
_DELETE_EMPTY: Final = "DELETE FROM row_counts WHERE table_name = 'jobs' AND rows = 0"


def fold(using: str = DEFAULT_DB_ALIAS, *, shrink: bool = True) -> int:
    """Replace the appended rows by their sums; return how many rows were replaced.

    Any number of processes may fold at any time, beside any writer: one of them does the work, the others
    return 0 immediately. On SQLite the sums are kept already, and only those that are 0 are deleted.

    Args:
        using: alias of the database.
        shrink: whether to truncate the table's file after very many rows. Truncating needs a moment without
            writers. This call may wait for it some seconds; no writer or reader waits.
    """
    connection = connections[using]
    with connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            cursor.execute(_DELETE_EMPTY)
            return int(cursor.rowcount)
        cursor.execute("SELECT fold_counts()")
        folded = int(cursor.fetchone()[0])
        if folded > _VACUUM_ABOVE and connection.get_autocommit():
            cursor.execute(f"VACUUM (SKIP_LOCKED, TRUNCATE {shrink}) row_counts")
    return folded
