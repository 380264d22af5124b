"""Compaction: replacing the rows that writers appended to ``row_counts`` by their sums keeps reads fast."""

from typing import Final

from django.db import DEFAULT_DB_ALIAS, connections

#: A fold that leaves more dead rows than this vacuums them itself; autovacuum runs only once a minute.
_VACUUM_ABOVE: Final = 1000


def fold(using: str = DEFAULT_DB_ALIAS, *, shrink: bool = True) -> int:
    """Replace the appended rows by their sums; return how many rows were replaced.

    Any number of processes may fold at any time, beside any writer: one of them does the work, the others
    return 0 immediately. On SQLite there is nothing to fold.

    Args:
        using: alias of the database.
        shrink: whether to truncate the table's file after very many rows. Truncating needs a moment without
            writers. This call may wait for it some seconds; no writer or reader waits.
    """
    connection = connections[using]
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT fold_counts()")
        folded = int(cursor.fetchone()[0])
        if folded > _VACUUM_ABOVE and connection.get_autocommit():
            cursor.execute(f"VACUUM (SKIP_LOCKED, TRUNCATE {shrink}) row_counts")
    return folded
