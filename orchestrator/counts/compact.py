"""Folding: what the writers have appended becomes one row a sum, so that reading stays short."""

from typing import Final

from django.db import DEFAULT_DB_ALIAS, connections

#: Rows that a fold leaves behind which are worth to be cleared away at once; autovacuum comes once a minute.
_VACUUM_ABOVE: Final = 1000


def fold(using: str = DEFAULT_DB_ALIAS, *, shrink: bool = True) -> int:
    """Replace what was appended by its sums; return how many rows that were.

    Any number of processes may fold, at any time and beside any writer: one does the work, the others
    return 0 at once. On SQLite there is nothing to fold.

    Args:
        using: the database's alias.
        shrink: whether to give back the space of very many rows, too, for which this may wait some seconds
            until no writer is at work; nobody waits for it.
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
