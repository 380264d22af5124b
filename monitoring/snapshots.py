"""Hourly snapshots of table sizes, for growth. Large SQLite files are measured only here."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Max, Min, Q
from django.utils import timezone

from monitoring import registry, table_statistics
from monitoring.models import TableSnapshot
from monitoring.table_statistics import Growth, TableFigures

#: Growth is computed over this time; snapshots are deleted after ``KEPT_FOR``.
GROWTH_OVER: Final = timedelta(days=7)
KEPT_FOR: Final = timedelta(days=90)

#: A shorter time gives no reliable growth rate.
MIN_GROWTH_TIME: Final = timedelta(hours=1)


def take() -> int:
    """Measure every monitored table and store the result; return the number of new snapshots.

    There is one snapshot for each table and hour: running it twice, even at the same time, changes nothing.
    Snapshots older than ``KEPT_FOR`` are deleted.
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
    now = timezone.now()
    first = _snapshots(Min("hour"), Q(hour__gte=now - GROWTH_OVER))
    last = _snapshots(Max("hour"), Q())
    return tuple(
        _with_growth(_with_sizes(table, last.get(table.name)), first.get(table.name), now)
        for table in measured
    )


def _snapshots(which: Min | Max, among: Q) -> Mapping[str, TableSnapshot]:
    """Return the first or the last snapshot of each table."""
    hours = TableSnapshot.objects.filter(among).values_list("table").annotate(which)
    wanted = Q(pk__in=[])
    for table, hour in hours:
        wanted |= Q(table=table, hour=hour)
    return {snapshot.table: snapshot for snapshot in TableSnapshot.objects.filter(wanted)}


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
    bytes_then = None if first.table_bytes is None else first.table_bytes + (first.index_bytes or 0)
    bytes_now = table.total_bytes
    grown = None if bytes_then is None or bytes_now is None else bytes_now - bytes_then
    return replace(
        table,
        growth=Growth(
            rows_a_day=round((table.row_count - first.rows) / days, 1),
            bytes_a_day=None if grown is None else round(grown / days, 1),
            since=first.measured_at,
        ),
    )
