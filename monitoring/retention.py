"""Rows that are older than they are kept for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from monitoring.registry import Retention, Table
from monitoring.tables import TableFigures

#: Rows that are counted at most: to know that there are many, nobody needs to count them all.
COUNTED_AT_MOST: Final = 100_000


@dataclass(frozen=True)
class Expired:
    """Rows of a table that may go.

    Args:
        rows: how many; at least as many if not ``complete``.
        bytes: about how many they take, by the size of an average row; None where that is not known.
    """

    table: str
    retention: Retention
    rows: int
    bytes: int | None
    complete: bool


def expired(
    connection: BaseDatabaseWrapper, watched: Iterable[Table], measured: Sequence[TableFigures]
) -> tuple[Expired, ...]:
    """Return the tables that have rows which are older than they are kept for."""
    figures = {table.name: table for table in measured if table.exists}
    found = [
        _expired(connection, figures[table.name], table.retention)
        for table in watched
        if table.retention and table.name in figures
    ]
    return tuple(each for each in found if each.rows)


def _expired(connection: BaseDatabaseWrapper, table: TableFigures, retention: Retention) -> Expired:
    cutoff = timezone.now() - timedelta(days=retention.days)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM (SELECT 1 {condition(table.name, retention)} LIMIT %s) AS old",  # noqa: S608
            [connection.ops.adapt_datetimefield_value(cutoff), COUNTED_AT_MOST],
        )
        rows = int(cursor.fetchone()[0])
    average = table.total_bytes / table.row_count if table.total_bytes and table.row_count else None
    return Expired(
        table.name,
        retention,
        rows,
        bytes=None if average is None else round(rows * average),
        complete=rows < COUNTED_AT_MOST,
    )


def condition(table: str, retention: Retention) -> str:
    """Return ``FROM`` and ``WHERE`` of the rows that may go, with a place for the moment."""
    further = f" AND {retention.condition}" if retention.condition else ""
    return f"FROM {table} WHERE {retention.column} < %s{further}"
