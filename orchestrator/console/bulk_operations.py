"""Bulk operations: each batch is one transaction of a few statements, with an event for every job.

A batch changes only rows that are still eligible, so repeating it does no harm.
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

#: Rows of a batch: its transaction locks them for some hundredths of a second.
BATCH_SIZE: Final = 500

#: Admins are changed one by one, so that one admin always remains.
_NO_ADMINS: Final = ~Q(role=Role.ADMIN)


@dataclass(frozen=True)
class BulkOperation:
    """A change that can be made to many rows of a table.

    Args:
        eligible: the condition that a row still needs the change, and allows it.
        apply: changes rows, all of them eligible.
        build_event: returns a job's event from its id and previous status; None for rows without a history.
    """

    eligible: Q
    apply: Callable[[QuerySet[Any]], Any]
    build_event: Callable[[UUID, JobStatus], Event] | None = None


def set_status(to: JobStatus, *, by: str, reason: str | None = None) -> BulkOperation:
    """Return the operation that takes jobs to a status, where their status allows it.

    Args:
        to: the new status.
        by: the username for the jobs' histories.
        reason: why, for the jobs' histories.
    """
    previous = [status for status, following in TRANSITIONS.items() if to in following]
    now = timezone.now()
    return BulkOperation(
        Q(status__in=previous),
        lambda jobs: jobs.update(updated_at=now, **Job.fields_for_status(to, now)),
        lambda job_id, status: build_job_event(
            job_id, EVENT_OF_STATUS[to], by=by, previous=status, to=to, reason=reason
        ),
    )


def set_priority(priority: int | None, *, by: str, reason: str | None = None) -> BulkOperation:
    """Return the operation that sets the priority of jobs, except running and completed ones.

    Args:
        priority: the new priority; None for the preview, before one is chosen.
        by: the username for the jobs' histories.
        reason: why, for the jobs' histories.
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


def delete_jobs(*, by: str, reason: str | None = None) -> BulkOperation:
    """Return the operation that deletes jobs; their events stay."""
    return BulkOperation(
        Q(),
        lambda jobs: jobs.delete(),
        lambda job_id, status: build_job_event(
            job_id, JobEvent.DELETED, by=by, previous=status, to=status, reason=reason
        ),
    )


def set_active(*, active: bool) -> BulkOperation:
    """Return the operation that activates or deactivates users, except admins (see ``_NO_ADMINS``)."""
    return BulkOperation(
        _NO_ADMINS & Q(active__in=[not active]),
        lambda users: users.update(active=active),
    )


def delete_tasks() -> BulkOperation:
    """Return the operation that deletes tasks."""
    return BulkOperation(Q(), lambda tasks: tasks.delete())


def delete_users() -> BulkOperation:
    """Return the operation that deletes users, except admins (see ``_NO_ADMINS``)."""
    return BulkOperation(_NO_ADMINS, lambda users: users.delete())


@transaction.atomic
def run_batch(operation: BulkOperation, model: type[Model], ids: Sequence[UUID]) -> int:
    """Apply an operation to those of some rows that are still eligible; return how many were changed.

    Args:
        operation: the operation.
        model: the rows' model.
        ids: the rows' ids.
    """
    rows: Any = model._default_manager
    # Locked in one order, so that two operators who change the same rows do not deadlock.
    column = "status" if operation.build_event else "pk"
    eligible = rows.filter(operation.eligible, pk__in=ids).order_by("pk")
    locked = dict(eligible.select_for_update().values_list("pk", column))
    if locked:
        operation.apply(rows.filter(pk__in=locked))
    if build_event := operation.build_event:
        Event.objects.bulk_create(build_event(job_id, JobStatus(status)) for job_id, status in locked.items())
    return len(locked)
