"""Bulk operations: each batch is one transaction of a few statements, with an event for every job.

A batch changes only rows that are still eligible, so repeating it does no harm.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Case, F, Model, Q, QuerySet, When
from django.utils import timezone

from orchestrator.actions import build_job_event
from orchestrator.choices import EVENT_OF_STATUS, LOCKED_STATUSES, TRANSITIONS, JobEvent, JobStatus, Role
from orchestrator.console.models import BulkAction, BulkChange
from orchestrator.db.clock import database_now
from orchestrator.models import Event, Job

#: Rows of a batch: its transaction locks them for some hundredths of a second.
BATCH_SIZE: Final = 500

#: Admins are changed one by one, so that one admin always remains.
_NO_ADMINS: Final = ~Q(role=Role.ADMIN)


#: A worker's unfinished attempt does not count, but those that ended before do: as in ``Job.apply_status``.
_ATTEMPTS_OF_REQUEUED: Final = Case(When(status=JobStatus.RUNNING, then=F("attempts")), default=0)
#: The columns of a job that its events show.
_IN_EVENTS: Final = ("pk", "status", "worker", "attempts", "queue", "progress")


@dataclass(frozen=True)
class BulkOperation:
    """A change that can be made to many rows of a table.

    Args:
        eligible: the condition that a row still needs the change, and allows it.
        apply: changes rows, all of them eligible.
        build_event: returns a job's event from the job before the change and the time; None for rows without
            a history.
    """

    eligible: Q
    apply: Callable[[QuerySet[Any]], Any]
    build_event: Callable[[Job, datetime], Event] | None = None


def operation_of(change: BulkChange) -> BulkOperation:
    """Return the operation of a saved change."""
    return OPERATIONS[change.table][BulkAction(change.action)](change)


def _set_status(to: JobStatus, change: BulkChange) -> BulkOperation:
    previous = [status for status, following in TRANSITIONS.items() if to in following]
    now = database_now()
    fields = {"updated_at": now, **Job.fields_for_status(to, now)}
    if to == JobStatus.PENDING:
        fields["attempts"] = _ATTEMPTS_OF_REQUEUED
    return BulkOperation(
        Q(status__in=previous),
        lambda jobs: jobs.update(**fields),
        lambda job, at: _job_event(change, EVENT_OF_STATUS[to], job, at, to=to),
    )


def _set_priority(change: BulkChange) -> BulkOperation:
    open_statuses = [status for status in JobStatus if status not in LOCKED_STATUSES]
    # Without a priority it is the preview, before one is chosen.
    has_other_priority = Q() if change.priority is None else ~Q(priority=change.priority)
    return BulkOperation(
        Q(status__in=open_statuses) & has_other_priority,
        lambda jobs: jobs.update(updated_at=timezone.now(), priority=change.priority),
        lambda job, at: _job_event(change, JobEvent.UPDATED, job, at, fields=["priority"]),
    )


def _delete_jobs(change: BulkChange) -> BulkOperation:
    return BulkOperation(
        Q(),
        lambda jobs: jobs.delete(),
        lambda job, at: _job_event(change, JobEvent.DELETED, job, at),
    )


def _set_active(change: BulkChange) -> BulkOperation:
    active = change.action == BulkAction.ACTIVATE
    return BulkOperation(
        _NO_ADMINS & Q(active__in=[not active]),
        lambda users: users.update(active=active),
    )


def _delete(eligible: Q, _: BulkChange) -> BulkOperation:
    return BulkOperation(eligible, lambda rows: rows.delete())


def _job_event(change: BulkChange, event: JobEvent, job: Job, at: datetime, **details: Any) -> Event:
    status = JobStatus(job.status)
    details = {"to": status, "reason": change.reason or None, **details}
    return build_job_event(job, event, by=change.by, previous=status, at=at, **details)


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
    columns = _IN_EVENTS if operation.build_event else ("pk",)
    eligible = rows.filter(operation.eligible, pk__in=ids).order_by("pk")
    locked = list(eligible.select_for_update().only(*columns))
    if locked:
        operation.apply(rows.filter(pk__in=[row.pk for row in locked]))
    if operation.build_event:
        now = database_now()
        Event.objects.bulk_create(operation.build_event(job, now) for job in locked)
    return len(locked)
