"""Rollups of work: how many jobs each worker started and finished, by minute and queue.

They are counted from the events of a job's history, in the same transaction as the charts' rollups. Events
without a queue or a worker count under "".
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.db.models import Count, F, Func, Q, Sum, TextField
from django.db.models.functions import Coalesce

from orchestrator.choices import JobEvent
from orchestrator.console.minutes import MinuteOf, minute_of, start_of
from orchestrator.console.models import WorkRollup
from orchestrator.leases.expiry import SYSTEM
from orchestrator.limits import MAX_QUEUE_LENGTH, MAX_WORKER_LENGTH
from orchestrator.models import Event

#: Minutes that are kept one by one: pages and findings show an hour.
KEPT_MINUTES: Final = 75

#: The queues, and the pairs of queue and worker, that one minute may have. The others count under "".
MAX_QUEUES: Final = 50
MAX_WORKERS: Final = 200

#: The row that has the sums of the minutes that are not kept.
_TOTAL_MINUTE: Final = 0

_ENDS_A_LEASE: Final = (JobEvent.REQUEUED, JobEvent.FAILED)
_TYPES: Final = (JobEvent.STARTED, JobEvent.COMPLETED, *_ENDS_A_LEASE)

_Pair = tuple[str, str]  # queue and worker


class PayloadText(Func):
    """A text member of an event's payload; NULL if there is none.

    PostgreSQL cannot read a payload with an escaped NUL or half a surrogate pair. No payload that the service
    writes has one; one with any escape but those of the other control characters is not read.
    """

    output_field = TextField()

    def __init__(self, member: str) -> None:
        super().__init__(F("payload"), member=member)

    def as_postgresql(self, compiler: Any, connection: Any, **extra_context: Any) -> Any:
        """Return the SQL for PostgreSQL."""
        # An escaped backslash may be followed by a "u".
        template = (
            r"CASE WHEN strpos(%(expressions)s::text, '\u') = 0"
            r" OR replace(%(expressions)s::text, '\\', '') !~ '\\u(?!00(0[1-9a-fA-F]|1))'"
            r" THEN %(expressions)s ->> '%(member)s' END"
        )
        return self.as_sql(compiler, connection, template=template)

    def as_sqlite(self, compiler: Any, connection: Any, **extra_context: Any) -> Any:
        """Return the SQL for SQLite."""
        return self.as_sql(compiler, connection, template="json_extract(%(expressions)s, '$.%(member)s')")


@dataclass(frozen=True)
class WorkCounts:
    """What happened to jobs in some time.

    Args:
        started: jobs that a worker got, or that somebody marked as running.
        completed: jobs that were completed.
        failed: jobs that failed, those with too many expired leases included.
        expired: leases that ran out.
    """

    started: int = 0
    completed: int = 0
    failed: int = 0
    expired: int = 0

    @property
    def events(self) -> int:
        """Return how often something happened."""
        return self.started + self.completed + self.failed + self.expired

    @property
    def finished(self) -> int:
        """Return the number of jobs that were completed or failed."""
        return self.completed + self.failed

    def __add__(self, other: "WorkCounts") -> "WorkCounts":
        return WorkCounts(
            self.started + other.started,
            self.completed + other.completed,
            self.failed + other.failed,
            self.expired + other.expired,
        )


def store(first: int, last: int) -> None:
    """Store the rollups of a range of minutes; two processes that do so at once store the same."""
    WorkRollup.objects.bulk_create(_count(first, last), ignore_conflicts=True)


@transaction.atomic
def fold_before(first: int) -> None:
    """Replace the rollups of the minutes before ``first`` by their sum."""
    old = WorkRollup.objects.filter(minute__gt=_TOTAL_MINUTE, minute__lt=first).order_by("pk")
    rows = list(old.select_for_update())
    if not rows:
        return
    WorkRollup.objects.filter(pk__in=[row.pk for row in rows]).delete()
    total, _ = WorkRollup.objects.get_or_create(minute=_TOTAL_MINUTE, queue="", worker="")
    added = vars(sum((_counts(row) for row in rows), WorkCounts()))
    WorkRollup.objects.filter(pk=total.pk).update(
        **{name: F(name) + number for name, number in added.items()}
    )


def work_since(start: datetime, now: datetime, first_unstored: int) -> dict[_Pair, WorkCounts]:
    """Return what each worker did in each queue, by queue and worker.

    Args:
        start: the minute in which the time begins.
        now: its end.
        first_unstored: the first minute without stored rollups; from there on events are counted.
    """
    stored = WorkRollup.objects.filter(minute__gte=minute_of(start), minute__lt=first_unstored).order_by()
    sums = stored.values_list("queue", "worker").annotate(**_sums())
    work: dict[_Pair, WorkCounts] = defaultdict(WorkCounts)
    for queue, worker, *numbers in sums:
        work[queue, worker] = WorkCounts(*numbers)
    for rollup in _count(max(first_unstored, minute_of(start)), minute_of(now)):
        work[rollup.queue, rollup.worker] += _counts(rollup)
    return dict(work)


def work_ever() -> WorkCounts:
    """Return the sums of all rollups. They never decrease."""
    return WorkCounts(**WorkRollup.objects.aggregate(**_sums()))


def _sums() -> dict[str, Any]:
    return {name: Coalesce(Sum(name), 0) for name in vars(WorkCounts())}


def _counts(row: WorkRollup) -> WorkCounts:
    return WorkCounts(row.started, row.completed, row.failed, row.expired)


def _count(first: int, last: int) -> list[WorkRollup]:
    """Return the rollups of each minute from ``first`` to ``last``, counted from the events."""
    by_minute: dict[int, dict[_Pair, WorkCounts]] = defaultdict(lambda: defaultdict(WorkCounts))
    for minute, pair, counts in _events(first, last):
        by_minute[minute][pair] += counts
    return [
        WorkRollup(minute=minute, queue=queue, worker=worker, **vars(counts))
        for minute, pairs in by_minute.items()
        for (queue, worker), counts in _bounded(pairs).items()
    ]


def _events(first: int, last: int) -> Iterable[tuple[int, _Pair, WorkCounts]]:
    # Clients may report events of any type, but only the service's own events belong to a job.
    rows = (
        Event.objects.filter(
            type__in=_TYPES,
            job_id__isnull=False,
            created_at__gte=start_of(first),
            created_at__lt=start_of(last + 1),
        )
        .order_by()
        .annotate(
            minute=MinuteOf("created_at"),
            queue=PayloadText("queue"),
            worker=PayloadText("worker"),
            by=PayloadText("by"),
        )
        .annotate(by_system=Q(by=SYSTEM))
        .values_list("minute", "type", "queue", "worker", "by_system")
        .annotate(rows=Count("pk"))
    )
    for minute, event_type, queue, worker, by_system, number in rows:
        pair = str(queue or "")[:MAX_QUEUE_LENGTH], str(worker or "")[:MAX_WORKER_LENGTH]
        yield minute, pair, _counts_of(event_type, number, by_system=bool(by_system))


def _counts_of(event_type: str, number: int, *, by_system: bool) -> WorkCounts:
    return WorkCounts(
        started=number if event_type == JobEvent.STARTED else 0,
        completed=number if event_type == JobEvent.COMPLETED else 0,
        failed=number if event_type == JobEvent.FAILED else 0,
        expired=number if by_system and event_type in _ENDS_A_LEASE else 0,
    )


def _bounded(pairs: Mapping[_Pair, WorkCounts]) -> dict[_Pair, WorkCounts]:
    """Return the counts with at most ``MAX_QUEUES`` queues and ``MAX_WORKERS`` pairs, the busiest ones."""
    sizes = {pair: counts.events for pair, counts in pairs.items()}
    by_queue: Counter[str] = Counter()
    for (queue, _), size in sizes.items():
        by_queue[queue] += size
    queues = {queue for queue, _ in by_queue.most_common(MAX_QUEUES)}
    kept = {pair for pair, _ in Counter(sizes).most_common(MAX_WORKERS)}
    bounded: dict[_Pair, WorkCounts] = defaultdict(WorkCounts)
    for pair, counts in pairs.items():
        queue = pair[0] if pair[0] in queues else ""
        bounded[queue, pair[1] if pair in kept else ""] += counts
    return bounded
