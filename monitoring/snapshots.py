"""Hourly snapshots of table sizes, for growth. Large SQLite files are measured only here."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from django.db import DEFAULT_DB_ALIAS, connections
from django.utils import timezone

from monitoring import registry, table_statistics, task_runs
from monitoring.models import TableSnapshot
from monitoring.table_statistics import TableFigures

#: Growth is computed over this time; snapshots are deleted after ``KEPT_FOR``.
GROWTH_OVER: Final = timedelta(days=7)
KEPT_FOR: Final = timedelta(days=90)

#: A shorter time gives no reliable growth rate.
MIN_GROWTH_TIME: Final = timedelta(hours=1)


def take() -> int:
    """Measure every monitored table and store the result; return the number of new snapshots.

    There is one snapshot for each table and hour: running it twice, even at the same time, changes nothing.
    """
    app, now = registry.monitored_app(), timezone.now()
    hour = now.replace(minute=0, second=0, microsecond=0)
    existing = set(TableSnapshot.objects.filter(hour=hour).values_list("table", flat=True))
    names = [table.name for table in app.tables if table.name not in existing]
    if not names:
        return 0
    measured = table_statistics.measure(connections[DEFAULT_DB_ALIAS], names, app.rows(), thorough=True)
    new = [_snapshot(table, hour, now) for table in measured if table.exists]
    TableSnapshot.objects.bulk_create(new, ignore_conflicts=True)
    TableSnapshot.objects.filter(hour__lt=now - KEPT_FOR).delete()
    return len(new)


def take_in_background() -> int | None:
    """Take the snapshots; return None if another run does so."""
    return task_runs.run("snapshot_tables", lambda _: take())


def _snapshot(table: TableFigures, hour: datetime, now: datetime) -> TableSnapshot:
    return TableSnapshot(
        table=table.name,
        hour=hour,
        measured_at=now,
        rows=table.row_count or 0,
        exact=table.exact,
        table_bytes=table.table_bytes,
        index_bytes=table.index_bytes,
        indexes={index.name: index.bytes for index in table.indexes},
    )


def with_history(measured: tuple[TableFigures, ...]) -> tuple[TableFigures, ...]:
    """Return the tables with their growth, and with the last snapshot's sizes if they were not measured."""
    return tuple(_with_history(table, timezone.now()) for table in measured)


def _with_history(table: TableFigures, now: datetime) -> TableFigures:
    snapshots = TableSnapshot.objects.filter(table=table.name).order_by("hour")
    first, last = snapshots.filter(hour__gte=now - GROWTH_OVER).first(), snapshots.last()
    return _with_growth(_with_sizes(table, last), first, now)


def _with_sizes(table: TableFigures, last: TableSnapshot | None) -> TableFigures:
    if table.table_bytes is not None or last is None:
        return table
    return replace(
        table,
        table_bytes=last.table_bytes,
        index_bytes=last.index_bytes,
        measured_at=last.measured_at,
        indexes=tuple(replace(index, bytes=last.indexes.get(index.name)) for index in table.indexes),
    )


def _with_growth(table: TableFigures, first: TableSnapshot | None, now: datetime) -> TableFigures:
    if first is None or table.row_count is None or now - first.measured_at < MIN_GROWTH_TIME:
        return table
    days = (now - first.measured_at) / timedelta(days=1)
    grown = None
    if first.table_bytes is not None and table.total_bytes is not None:
        grown = table.total_bytes - first.table_bytes - (first.index_bytes or 0)
    return replace(
        table,
        rows_per_day=round((table.row_count - first.rows) / days, 1),
        bytes_per_day=None if grown is None else round(grown / days, 1),
        growth_since=first.measured_at,
    )
