"""Rollups: job events counted once per minute, so that charts cost the same at any table size."""

import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import Count, F, FloatField, Func, Max, Min, Sum, Window
from django.db.models.functions import RowNumber

from orchestrator.choices import JobEvent
from orchestrator.console import cached_figures, work_rollups
from orchestrator.console.minutes import MinuteOf, minute_of, start_of
from orchestrator.console.models import MinuteRollup
from orchestrator.models import Event, Job

#: Minutes that are kept: the longest chart shows a week.
KEPT_MINUTES: Final = 7 * 24 * 60

#: Minutes that one query counts.
_CHUNK_MINUTES: Final = 60

#: Seconds that one update spends on older minutes; the next update continues.
_BACKFILL_SECONDS: Final = 0.05

#: Seconds to wait after a minute for transactions that are about to commit events in it.
_GRACE_SECONDS: Final = 10

#: Job starts per minute of which the median wait is taken.
_WAIT_SAMPLE: Final = 50

_COUNTED: Final = {
    JobEvent.CREATED.value: "created",
    JobEvent.COMPLETED.value: "completed",
    JobEvent.FAILED.value: "failed",
}


class _Epoch(Func):
    """The seconds from 1970 to a timestamp."""

    output_field = FloatField()

    def as_postgresql(self, compiler: Any, connection: Any, **extra_context: Any) -> Any:
        return self.as_sql(compiler, connection, template="extract(epoch FROM %(expressions)s)")

    def as_sqlite(self, compiler: Any, connection: Any, **extra_context: Any) -> Any:
        return self.as_sql(compiler, connection, template="(julianday(%(expressions)s) * 86400.0)")


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """What happened to jobs in a span of some minutes.

    Args:
        start: where the span begins.
        minutes: its length.
        created, completed, failed: numbers of events.
        wait: mean of the minutes' median seconds from creation to start; None if no job was started.
    """

    start: datetime
    minutes: int
    created: int = 0
    completed: int = 0
    failed: int = 0
    wait: float | None = None

    @property
    def end(self) -> datetime:
        """Return where the span ends; the end is not part of it."""
        return self.start + timedelta(minutes=self.minutes)


def buckets(number: int, length: int, now: datetime) -> tuple[Bucket, ...]:
    """Return the latest buckets, the current one included.

    Args:
        number: how many buckets to return.
        length: the length of each, in minutes.
        now: the current time.
    """
    name = f"buckets:{number}x{length}"
    return cached_figures.figures(name, tuple[Bucket, ...], lambda: _buckets(number, length, now))


def _buckets(number: int, length: int, now: datetime) -> tuple[Bucket, ...]:
    current = minute_of(now)
    last = current // length
    first = last - number + 1
    sums: dict[int, dict[str, Any]] = defaultdict(Counter, _stored_sums(first * length, length))
    for rollup in _count(first_unstored(now), current):
        _add(sums[rollup.minute // length], rollup)
    return tuple(
        Bucket(start=start_of(index * length), minutes=length, **_figures(sums[index]))
        for index in range(first, last + 1)
    )


def update_rollups(now: datetime) -> int:
    """Store rollups of past minutes that have none yet, newest first, as many as a page can afford.

    Returns:
        The number of minutes that were stored.
    """
    closed = minute_of(now - timedelta(seconds=_GRACE_SECONDS)) - 1
    newest = MinuteRollup.objects.aggregate(newest=Max("minute"))["newest"]
    if newest is not None and newest < closed - _CHUNK_MINUTES:
        # The gap is too long for one query: start again from the newest minutes.
        MinuteRollup.objects.all().delete()
        newest = None
    stored = 0
    if newest is not None and newest < closed:
        stored = _store(newest + 1, closed, closed)
        work_rollups.fold_before(closed - work_rollups.KEPT_MINUTES)
    return stored + _backfill(closed)


def _backfill(closed: int) -> int:
    stored = 0
    started, first = time.monotonic(), closed - KEPT_MINUTES + 1
    oldest = MinuteRollup.objects.aggregate(oldest=Min("minute"))["oldest"] or closed + 1
    while oldest > first and time.monotonic() - started < _BACKFILL_SECONDS:
        stored += _store(max(oldest - _CHUNK_MINUTES, first), oldest - 1, closed)
        oldest -= _CHUNK_MINUTES
    if oldest < first - _CHUNK_MINUTES:
        MinuteRollup.objects.filter(minute__lt=first).delete()
    return stored


def _store(first: int, last: int, closed: int) -> int:
    """Store the rollups of a range of minutes, and return their number.

    Two processes that do so at once store the same.

    Work is counted in the last minutes before ``closed`` only: earlier minutes may have been counted already,
    and folded into their sum.
    """
    with transaction.atomic():
        MinuteRollup.objects.bulk_create(_count(first, last), ignore_conflicts=True)
        if last > closed - _CHUNK_MINUTES:
            work_rollups.store(max(first, closed - _CHUNK_MINUTES + 1), last)
    return last - first + 1


def first_unstored(now: datetime) -> int:
    """Return the first minute that has no stored rollup, or that of an hour ago."""
    newest = MinuteRollup.objects.aggregate(newest=Max("minute"))["newest"]
    return max((newest or 0) + 1, minute_of(now) - _CHUNK_MINUTES)


def _count(first: int, last: int) -> list[MinuteRollup]:
    """Return the rollup of each minute from ``first`` to ``last``: one range scan per index."""
    start, end = start_of(first), start_of(last + 1)
    rollups = {minute: MinuteRollup(minute=minute) for minute in range(first, last + 1)}
    event_counts = (
        Event.objects.filter(type__in=_COUNTED, created_at__gte=start, created_at__lt=end)
        .order_by()
        .values_list(MinuteOf("created_at"), "type")
        .annotate(rows=Count("pk"))
    )
    for minute, event_type, rows in event_counts:
        setattr(rollups[minute], _COUNTED[event_type], rows)
    for minute, waits in _waits(start, end).items():
        rollups[minute].wait = statistics.median(waits)
    return list(rollups.values())


def _waits(start: datetime, end: datetime) -> dict[int, list[float]]:
    """Return, by minute, the seconds that the first jobs started in it had waited."""
    ranked = (
        Job.objects.filter(started_at__gte=start, started_at__lt=end)
        .order_by()
        .annotate(
            minute=MinuteOf("started_at"),
            wait=_Epoch("started_at") - _Epoch("created_at"),
            rank=Window(RowNumber(), partition_by=MinuteOf("started_at"), order_by="started_at"),
        )
        .filter(rank__lte=_WAIT_SAMPLE)
        .values_list("minute", "wait")
    )
    waits = defaultdict(list)
    for minute, wait in ranked:
        waits[minute].append(max(float(wait), 0.0))
    return waits


def _stored_sums(first: int, length: int) -> dict[int, dict[str, Any]]:
    """Return the sums of the stored rollups, and how many of them have a wait, by the bucket's number."""
    rows = (
        MinuteRollup.objects.filter(minute__gte=first)
        .order_by()
        .values(bucket=F("minute") / length)
        .annotate(
            created=Sum("created"),
            completed=Sum("completed"),
            failed=Sum("failed"),
            waits=Count("wait"),
            total_wait=Sum("wait", default=0.0),
        )
    )
    return {row["bucket"]: dict(row) for row in rows}


def _add(sums: dict[str, Any], rollup: MinuteRollup) -> None:
    for name in _COUNTED.values():
        sums[name] += getattr(rollup, name)
    if rollup.wait is not None:
        sums["waits"] += 1
        sums["total_wait"] += rollup.wait


def _figures(sums: Mapping[str, Any]) -> dict[str, Any]:
    wait = sums["total_wait"] / sums["waits"] if sums["waits"] else None
    return {name: int(sums[name]) for name in _COUNTED.values()} | {"wait": wait}
