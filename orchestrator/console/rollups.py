"""What happened, minute by minute: counted once from the events, then read at the same cost at any size."""

import statistics
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import Avg, BigIntegerField, Count, F, FloatField, Func, Max, Min, Sum, Window
from django.db.models.functions import RowNumber

from orchestrator.choices import JobEvent
from orchestrator.console.models import MinuteRollup
from orchestrator.models import Event, Job

#: Minutes that are kept, and that charts can reach back to.
KEPT: Final = 7 * 24 * 60

#: Minutes that are counted in one go.
_CHUNK: Final = 60

#: Seconds that one look spends on the past; what is left is for the next look.
_PATIENCE: Final = 0.05

#: Seconds for which an event may still appear in a minute that is over: its transaction is about to commit.
_GRACE: Final = 10

#: Starts of a minute whose wait is looked at.
_SAMPLE: Final = 50

_COUNTED: Final = {
    JobEvent.CREATED.value: "created",
    JobEvent.COMPLETED.value: "completed",
    JobEvent.FAILED.value: "failed",
}


class _MinuteOf(Func):
    """The minutes from 1970 to an instant."""

    output_field = BigIntegerField()

    def as_postgresql(self, compiler: Any, connection: Any, **extra_context: Any) -> Any:
        """Return the SQL of PostgreSQL."""
        template = "CAST(floor(extract(epoch FROM %(expressions)s) / 60) AS bigint)"
        return self.as_sql(compiler, connection, template=template)

    def as_sqlite(self, compiler: Any, connection: Any, **extra_context: Any) -> Any:
        """Return the SQL of SQLite."""
        # To the second that it is in: of what is left SQLite would round .9995 up, into another minute.
        template = "(CAST(strftime('%%%%s', substr(%(expressions)s, 1, 19)) AS integer) / 60)"
        return self.as_sql(compiler, connection, template=template)


class _Epoch(Func):
    """The seconds from 1970 to an instant."""

    output_field = FloatField()

    def as_postgresql(self, compiler: Any, connection: Any, **extra_context: Any) -> Any:
        """Return the SQL of PostgreSQL."""
        return self.as_sql(compiler, connection, template="extract(epoch FROM %(expressions)s)")

    def as_sqlite(self, compiler: Any, connection: Any, **extra_context: Any) -> Any:
        """Return the SQL of SQLite."""
        return self.as_sql(compiler, connection, template="(julianday(%(expressions)s) * 86400.0)")


@dataclass(frozen=True)
class Bucket:
    """What happened in some minutes.

    Args:
        start: the first instant.
        minutes: how long it is.
        wait: seconds that a job typically waited before its start, or None where none was started.
    """

    start: datetime
    minutes: int
    created: int = 0
    completed: int = 0
    failed: int = 0
    wait: float | None = None

    @property
    def end(self) -> datetime:
        """Return the first instant after it."""
        return self.start + timedelta(minutes=self.minutes)


def buckets(number: int, length: int, now: datetime) -> tuple[Bucket, ...]:
    """Return what happened in the last buckets, the present one included.

    Args:
        number: how many buckets.
        length: of each, in minutes.
        now: the present instant.
    """
    current = _minute(now)
    last = current // length
    first = last - number + 1
    kept = _kept(first * length, length)
    for minute in _count(_next_to_keep(now), current):
        _add(kept, minute, length)
    return tuple(
        Bucket(_instant(index * length), length, **_told(kept.get(index, {})))
        for index in range(first, last + 1)
    )


def update_rollups(now: datetime) -> None:
    """Count the minutes that are over and not counted yet, as many as a page can afford."""
    closed = _minute(now - timedelta(seconds=_GRACE)) - 1
    newest = MinuteRollup.objects.aggregate(newest=Max("minute"))["newest"]
    if newest is not None and newest < closed - _CHUNK:
        # Nobody looked for so long: the last hour first, then what was before.
        MinuteRollup.objects.all().delete()
        newest = None
    if newest is not None and newest < closed:
        _keep(newest + 1, closed)
    _backfill(closed)


def _backfill(closed: int) -> None:
    started, first = time.monotonic(), closed - KEPT + 1
    oldest = MinuteRollup.objects.aggregate(oldest=Min("minute"))["oldest"] or closed + 1
    while oldest > first and time.monotonic() - started < _PATIENCE:
        _keep(max(oldest - _CHUNK, first), oldest - 1)
        oldest -= _CHUNK
    if oldest < first - _CHUNK:
        MinuteRollup.objects.filter(minute__lt=first).delete()


def _keep(first: int, last: int) -> None:
    """Count some minutes, the last included, and keep the result; whoever does so too gets the same."""
    with transaction.atomic():
        MinuteRollup.objects.bulk_create(_count(first, last), ignore_conflicts=True)


def _next_to_keep(now: datetime) -> int:
    newest = MinuteRollup.objects.aggregate(newest=Max("minute"))["newest"]
    return max((newest or 0) + 1, _minute(now) - _CHUNK)


def _count(first: int, last: int) -> list[MinuteRollup]:
    """Return what happened in each of some minutes, the last included: one look at each index."""
    between = (_instant(first), _instant(last + 1))
    found = {minute: MinuteRollup(minute=minute) for minute in range(first, last + 1)}
    happened = (
        Event.objects.filter(type__in=_COUNTED, created_at__gte=between[0], created_at__lt=between[1])
        .order_by()
        .values_list(_MinuteOf("created_at"), "type")
        .annotate(rows=Count("pk"))
    )
    for minute, kind, rows in happened:
        setattr(found[minute], _COUNTED[kind], rows)
    for minute, waits in _waits(*between).items():
        found[minute].wait = statistics.median(waits)
    return list(found.values())


def _waits(after: datetime, before: datetime) -> dict[int, list[float]]:
    """Return seconds that jobs waited, of some of those that were started in each minute."""
    ranked = (
        Job.objects.filter(started_at__gte=after, started_at__lt=before)
        .order_by()
        .annotate(
            minute=_MinuteOf("started_at"),
            wait=_Epoch("started_at") - _Epoch("created_at"),
            rank=Window(RowNumber(), partition_by=_MinuteOf("started_at"), order_by="started_at"),
        )
        .filter(rank__lte=_SAMPLE)
        .values_list("minute", "wait")
    )
    waits = defaultdict(list)
    for minute, wait in ranked:
        waits[minute].append(max(float(wait), 0.0))
    return waits


def _kept(first: int, length: int) -> dict[int, dict[str, Any]]:
    """Return the sums of what is kept, by the number of the bucket."""
    rows = (
        MinuteRollup.objects.filter(minute__gte=first)
        .order_by()
        .values(bucket=F("minute") / length)
        .annotate(created=Sum("created"), completed=Sum("completed"), failed=Sum("failed"), wait=Avg("wait"))
    )
    return {row["bucket"]: dict(row) for row in rows}


def _add(sums: dict[int, dict[str, Any]], minute: MinuteRollup, length: int) -> None:
    into = sums.setdefault(minute.minute // length, {})
    for name in _COUNTED.values():
        into[name] = into.get(name, 0) + getattr(minute, name)
    if minute.wait is not None:
        known = into.get("wait")
        into["wait"] = minute.wait if known is None else (known + minute.wait) / 2


def _told(sums: dict[str, Any]) -> dict[str, Any]:
    return {name: int(sums.get(name) or 0) for name in _COUNTED.values()} | {"wait": sums.get("wait")}


def _minute(instant: datetime) -> int:
    return int(instant.timestamp() // 60)


def _instant(minute: int) -> datetime:
    return datetime.fromtimestamp(minute * 60, UTC)
