"""Changes of many rows: a batch is a transaction of a few statements, with an event for every job.

A batch takes some of the rows that the change is still to be made to, and changed rows are not among them any
more: whoever repeats it until nothing is left has changed them all, however often they were interrupted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from orchestrator.actions import history_entry
from orchestrator.choices import EVENT_OF_STATUS, TRANSITIONS, JobEvent, JobStatus, Role
from orchestrator.models import Event, Job

#: Rows of a batch: their transaction keeps them locked for some hundredths of a second.
BATCH: Final = 500

#: Statuses in which what a job is to do is settled: somebody is at it, or it is done for good.
SETTLED_STATUSES: Final = (JobStatus.RUNNING, JobStatus.COMPLETED)


@dataclass(frozen=True)
class Change:
    """What is done to each row of a table.

    Args:
        concerns: returns those of some rows that it is still to be made to.
        make: makes it to some rows, all of which it concerns.
        entry: returns a job's event, from its id and former status; None for rows that have no history.
    """

    concerns: Callable[[QuerySet[Any]], QuerySet[Any]]
    make: Callable[[QuerySet[Any]], Any]
    entry: Callable[[UUID, JobStatus], Event] | None = None


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


def to_priority(priority: int | None, *, by: str, reason: str | None = None) -> Change:
    """Return the change to a priority, of the jobs that nobody is at and that are not done for good.

    Args:
        priority: that they shall have; None as long as it is not chosen.
        by: the user name of who asks.
        reason: why, for the histories.
    """
    open_statuses = [status for status in JobStatus if status not in SETTLED_STATUSES]
    has_it = {} if priority is None else {"priority": priority}
    return Change(
        lambda jobs: jobs.filter(status__in=open_statuses).exclude(**has_it),
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


def to_activity(*, active: bool) -> Change:
    """Return the change that lets users in, or keeps them out: not admins (see ``_no_admins``)."""
    return Change(
        lambda users: _no_admins(users).filter(active__in=[not active]),
        lambda users: users.update(active=active),
    )


def deletion_of_tasks() -> Change:
    """Return the deletion of tasks."""
    return Change(lambda tasks: tasks, lambda tasks: tasks.delete())


def deletion_of_users() -> Change:
    """Return the deletion of users: not of admins (see ``_no_admins``)."""
    return Change(_no_admins, lambda users: users.delete())


def _no_admins(users: QuerySet[Any]) -> QuerySet[Any]:
    """Return those of some users who are no admins: they are changed one by one, so that one stays."""
    return users.exclude(role=Role.ADMIN)


@transaction.atomic
def batch(change: Change, rows: QuerySet[Any], *, size: int = BATCH) -> int | None:
    """Make a change to some of the rows that it concerns; return how many, None once it concerns none.

    Args:
        change: what is done.
        rows: those it may be done to, in no order.
        size: how many at most.
    """
    table = rows.model.objects
    chosen = list(change.concerns(rows).order_by().values_list("pk", flat=True)[:size])
    # Locked in one order, whatever index found them: two operators who change the same jobs do not block
    # each other for good. What somebody has changed meanwhile is left out.
    told = "status" if change.entry else "pk"
    locked = dict(
        change.concerns(table.filter(pk__in=chosen))
        .order_by("pk")
        .select_for_update()
        .values_list("pk", told)
    )
    if locked:
        change.make(table.filter(pk__in=locked))
    if change.entry:
        entry = change.entry
        Event.objects.bulk_create(entry(job_id, JobStatus(status)) for job_id, status in locked.items())
    return len(locked) if chosen else None
