"""Changes of many jobs: a batch is a transaction of a few statements, with an event for every job.

A batch takes some of the jobs that the change is still to be made to, and changed jobs are not among them any
more: whoever repeats it until nothing is left has changed them all, however often they were interrupted.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from orchestrator.actions import history_entry
from orchestrator.choices import EVENT_OF_STATUS, TRANSITIONS, JobEvent, JobStatus
from orchestrator.models import Event, Job
from orchestrator.querysets import JobQuerySet

#: Jobs of a batch: their transaction keeps them locked for some hundredths of a second.
BATCH: Final = 500

#: Statuses in which what a job is to do is settled: somebody is at it, or it is done for good.
SETTLED_STATUSES: Final = (JobStatus.RUNNING, JobStatus.COMPLETED)


@dataclass(frozen=True)
class Change:
    """What is done to each job.

    Args:
        concerns: returns those of some jobs that it is still to be made to.
        make: makes it to some jobs, all of which it concerns.
        entry: returns the event of one, from its id and former status.
    """

    concerns: Callable[[JobQuerySet], JobQuerySet]
    make: Callable[[JobQuerySet], Any]
    entry: Callable[[UUID, JobStatus], Event]


def to_status(to: JobStatus, *, by: str, reason: str | None = None) -> Change:
    """Return the change to a status, of the jobs whose status allows it.

    Args:
        to: the status that they shall have.
        by: the user name of who asks.
        reason: why, for the histories.
    """
    former = [status for status, following in TRANSITIONS.items() if to in following]
    now = timezone.now()
    return Change(
        lambda jobs: jobs.filter(status__in=former),
        lambda jobs: jobs.update(updated_at=now, **Job.columns_of(to, now)),
        lambda job_id, status: history_entry(
            job_id, EVENT_OF_STATUS[to], by=by, previous=status, to=to, reason=reason
        ),
    )


def to_priority(priority: int, *, by: str, reason: str | None = None) -> Change:
    """Return the change to a priority, of the jobs that nobody is at and that are not done for good."""
    return Change(
        lambda jobs: jobs.exclude(status__in=SETTLED_STATUSES).exclude(priority=priority),
        lambda jobs: jobs.update(updated_at=timezone.now(), priority=priority),
        lambda job_id, status: history_entry(
            job_id, JobEvent.UPDATED, by=by, previous=status, to=status, reason=reason, fields=["priority"]
        ),
    )


def deletion(*, by: str, reason: str | None = None) -> Change:
    """Return the deletion of jobs; their histories stay."""
    return Change(
        lambda jobs: jobs,
        lambda jobs: jobs.delete(),
        lambda job_id, status: history_entry(
            job_id, JobEvent.DELETED, by=by, previous=status, to=status, reason=reason
        ),
    )


@transaction.atomic
def batch(change: Change, jobs: JobQuerySet, *, size: int = BATCH) -> int | None:
    """Make a change to some of the jobs that it concerns; return how many, None once it concerns none.

    Args:
        change: what is done.
        jobs: those it may be done to, in no order.
        size: how many at most.
    """
    chosen = list(change.concerns(jobs).order_by().values_list("pk", flat=True)[:size])
    # Locked in one order, whatever index found them: two operators who change the same jobs do not block
    # each other for good. What somebody has changed meanwhile is left out.
    locked = dict(
        change.concerns(Job.objects.filter(pk__in=chosen))
        .order_by("pk")
        .select_for_update()
        .values_list("pk", "status")
    )
    if locked:
        _make(change, locked)
    return len(locked) if chosen else None


def _make(change: Change, locked: dict[UUID, str]) -> None:
    change.make(Job.objects.filter(pk__in=locked))
    entries: Iterable[Event] = (change.entry(job_id, JobStatus(status)) for job_id, status in locked.items())
    Event.objects.bulk_create(entries)
