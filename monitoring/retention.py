"""Rows that are older than their table's retention."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from monitoring.table_statistics import TableFigures

#: Counting stops here: the finding says the same of more rows.
MAX_ROWS_COUNTED: Final = 100_000


@dataclass(frozen=True, kw_only=True)
class Retention:
    """How long a table's rows are kept.

    Args:
        column: the timestamp that a row's age is counted from.
        days: the maximum age.
        setting: the setting with the number of days.
        condition: SQL that limits which rows may go. It must not contain values that a client sent.
        partition_above: with more rows, partitions by ``column`` are recommended; None: never.
    """

    column: str
    days: int
    setting: str
    condition: str = ""
    partition_above: int | None = None


@dataclass(frozen=True, kw_only=True)
class Expired:
    """The rows of a table that are older than its retention.

    Args:
        rows: their number, or ``MAX_ROWS_COUNTED`` if not ``complete``.
        bytes: estimated from the size of an average row; None if the table was not measured.
    """

    table: str
    retention: Retention
    rows: int
    bytes: int | None
    complete: bool


def expired(
    connection: BaseDatabaseWrapper, kept: Mapping[str, Retention], measured: Sequence[TableFigures]
) -> tuple[Expired, ...]:
    """Return the tables that have rows older than their retention in ``kept``."""
    found = [
        _expired(connection, table, kept[table.name])
        for table in measured
        if table.exists and table.name in kept
    ]
    return tuple(each for each in found if each.rows)


def _expired(connection: BaseDatabaseWrapper, table: TableFigures, retention: Retention) -> Expired:
    cutoff = timezone.now() - timedelta(days=retention.days)
    further = f" AND {retention.condition}" if retention.condition else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM (SELECT 1 FROM {table.name}"  # noqa: S608
            f" WHERE {retention.column} < %s{further} LIMIT %s) AS old",
            [connection.ops.adapt_datetimefield_value(cutoff), MAX_ROWS_COUNTED],
        )
        rows = int(cursor.fetchone()[0])
    average = table.total_bytes / table.row_count if table.total_bytes and table.row_count else None
    return Expired(
        table=table.name,
        retention=retention,
        rows=rows,
        bytes=None if average is None else round(rows * average),
        complete=rows < MAX_ROWS_COUNTED,
    )
