"""Changes of many rows: a run_batch is a transaction of a few statements, with an event for every job.

A run_batch changes only rows that still need the change: repeating it does no harm.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from orchestrator.actions import build_job_event
from orchestrator.choices import EVENT_OF_STATUS, LOCKED_STATUSES, TRANSITIONS, JobEvent, JobStatus, Role
from orchestrator.models import Event, Job

#: Rows of a batch: their transaction keeps them locked for some hundredths of a second.
BATCH_SIZE: Final = 500

#: Admins are changed one by one, so that one of them stays.
_NO_ADMINS: Final = ~Q(role=Role.ADMIN)


@dataclass(frozen=True)
class BulkOperation:
    """A change of rows of a table.

    Args:
        needed: the condition that a row still needs the change.
        make: changes rows, all of which need it.
        entry: returns a job's event, from its id and former status; None for rows that have no history.
    """

    needed: Q
    make: Callable[[QuerySet[Any]], Any]
    entry: Callable[[UUID, JobStatus], Event] | None = None


def to_status(to: JobStatus, *, by: str, reason: str | None = None) -> BulkOperation:
    """Return the change of jobs to a status, where their status allows it.

    Args:
        to: the new status.
        by: the user name for the histories.
        reason: why, for the histories.
    """
    former = [status for status, following in TRANSITIONS.items() if to in following]
    now = timezone.now()
    return BulkOperation(
        Q(status__in=former),
        lambda jobs: jobs.update(updated_at=now, **Job.fields_for_status(to, now)),
        lambda job_id, status: build_job_event(
            job_id, EVENT_OF_STATUS[to], by=by, previous=status, to=to, reason=reason
        ),
    )


def to_priority(priority: int | None, *, by: str, reason: str | None = None) -> BulkOperation:
    """Return the change of jobs to a priority, except running and completed ones.

    Args:
        priority: the new priority; None while it is not chosen yet.
        by: the user name for the histories.
        reason: why, for the histories.
    """
    open_statuses = [status for status in JobStatus if status not in LOCKED_STATUSES]
    has_other_priority = Q() if priority is None else ~Q(priority=priority)
    return BulkOperation(
        Q(status__in=open_statuses) & has_other_priority,
        lambda jobs: jobs.update(updated_at=timezone.now(), priority=priority),
        lambda job_id, status: build_job_event(
            job_id, JobEvent.UPDATED, by=by, previous=status, to=status, reason=reason, fields=["priority"]
        ),
    )


def deletion(*, by: str, reason: str | None = None) -> BulkOperation:
    """Return the deletion of jobs; their histories stay."""
    return BulkOperation(
        Q(),
        lambda jobs: jobs.delete(),
        lambda job_id, status: build_job_event(
            job_id, JobEvent.DELETED, by=by, previous=status, to=status, reason=reason
        ),
    )


def set_active(*, active: bool) -> BulkOperation:
    """Return the change that activates or deactivates users, except admins (see ``_NO_ADMINS``)."""
    return BulkOperation(
        _NO_ADMINS & Q(active__in=[not active]),
        lambda users: users.update(active=active),
    )


def deletion_of_tasks() -> BulkOperation:
    """Return the deletion of tasks."""
    return BulkOperation(Q(), lambda tasks: tasks.delete())


def deletion_of_users() -> BulkOperation:
    """Return the deletion of users, except admins (see ``_NO_ADMINS``)."""
    return BulkOperation(_NO_ADMINS, lambda users: users.delete())


@transaction.atomic
def run_batch(change: BulkOperation, model: type[Model], ids: Sequence[UUID]) -> int:
    """Make a change to those of some rows that still need it; return how many.

    Args:
        change: the change.
        model: whose rows.
        ids: of the rows.
    """
    rows: Any = model._default_manager
    # Locked in one order, so that two operators who change the same rows do not block each other for good.
    # Rows that were changed in the meantime are left out.
    column = "status" if change.entry else "pk"
    needing = rows.filter(change.needed, pk__in=ids).order_by("pk")
    locked = dict(needing.select_for_update().values_list("pk", column))
    if locked:
        change.make(rows.filter(pk__in=locked))
    if change.entry:
        entry = change.entry
        Event.objects.bulk_create(entry(job_id, JobStatus(status)) for job_id, status in locked.items())
    return len(locked)
