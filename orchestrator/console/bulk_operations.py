"""Bulk operations: each batch is one transaction of a few statements, with an event for every job.

A batch changes only rows that are still eligible, so repeating it does no harm.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from orchestrator.actions import build_job_event
from orchestrator.choices import EVENT_OF_STATUS, LOCKED_STATUSES, TRANSITIONS, JobEvent, JobStatus, Role
from orchestrator.console.models import BulkAction, BulkChange
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


def operation_of(change: BulkChange) -> BulkOperation:
    """Return the operation of a saved change."""
    return OPERATIONS[change.table][BulkAction(change.action)](change)


def _set_status(to: JobStatus, change: BulkChange) -> BulkOperation:
    previous = [status for status, following in TRANSITIONS.items() if to in following]
    now = timezone.now()
    return BulkOperation(
        Q(status__in=previous),
        lambda jobs: jobs.update(updated_at=now, **Job.fields_for_status(to, now)),
        lambda job_id, status: _job_event(change, EVENT_OF_STATUS[to], job_id, status, to=to),
    )


def _set_priority(change: BulkChange) -> BulkOperation:
    open_statuses = [status for status in JobStatus if status not in LOCKED_STATUSES]
    # Without a priority it is the preview, before one is chosen.
    has_other_priority = Q() if change.priority is None else ~Q(priority=change.priority)
    return BulkOperation(
        Q(status__in=open_statuses) & has_other_priority,
        lambda jobs: jobs.update(updated_at=timezone.now(), priority=change.priority),
        lambda job_id, status: _job_event(change, JobEvent.UPDATED, job_id, status, fields=["priority"]),
    )


def _delete_jobs(change: BulkChange) -> BulkOperation:
    return BulkOperation(
        Q(),
        lambda jobs: jobs.delete(),
        lambda job_id, status: _job_event(change, JobEvent.DELETED, job_id, status),
    )


def _set_active(change: BulkChange) -> BulkOperation:
    active = change.action == BulkAction.ACTIVATE
    return BulkOperation(
        _NO_ADMINS & Q(active__in=[not active]),
        lambda users: users.update(active=active),
    )


def _delete(eligible: Q, _: BulkChange) -> BulkOperation:
    return BulkOperation(eligible, lambda rows: rows.delete())


def _job_event(change: BulkChange, event: JobEvent, job_id: UUID, status: JobStatus, **details: Any) -> Event:
    details = {"to": status, "reason": change.reason or None, **details}
    return build_job_event(job_id, event, by=change.by, previous=status, **details)


#: The bulk changes of each table.
OPERATIONS: Final[Mapping[str, Mapping[BulkAction, Callable[[BulkChange], BulkOperation]]]] = {
    "jobs": {
        BulkAction.RETRY: partial(_set_status, JobStatus.PENDING),
        BulkAction.CANCEL: partial(_set_status, JobStatus.CANCELLED),
        BulkAction.PRIORITY: _set_priority,
        BulkAction.DELETE: _delete_jobs,
    },
    "events": {},
    "tasks": {BulkAction.DELETE: partial(_delete, Q())},
    "users": {
        BulkAction.ACTIVATE: _set_active,
        BulkAction.DEACTIVATE: _set_active,
        BulkAction.DELETE: partial(_delete, _NO_ADMINS),
    },
}


@transaction.atomic
def run_batch(operation: BulkOperation, model: type[Model], ids: Sequence[UUID]) -> int:
    """Apply an operation to those of some rows that are still eligible; return how many were changed."""
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
