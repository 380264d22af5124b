"""Changes that touch two models, need a lock or start something. Each function is one transaction.

Every change of a job writes its event in the same transaction. A function locks the row that it changes: with
a row lock on PostgreSQL; on SQLite the write transaction itself, which is ``IMMEDIATE``, is the lock.

The functions that update or delete take a ``precondition``: a function that gets the locked row before
anything is written. If it raises, nothing is changed. They raise ``DoesNotExist`` if there is no such row.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from orchestrator.choices import EVENT_OF_STATUS, JobEvent, JobStatus, Role
from orchestrator.db import rows
from orchestrator.exceptions import DuplicateValue, LastAdmin, LeaseLost, TransitionNotAllowed
from orchestrator.json_codec import to_json
from orchestrator.models import Event, Job, Task, User, save_change, save_together

_Row = TypeVar("_Row", Job, Task)


@transaction.atomic(savepoint=False)
def create_job(*, by: str, **fields: Any) -> Job:
    """Create a pending job and its first event; ``by`` is the username for the history."""
    job, event = new_job(by=by, **fields)
    save_together(job, event)
    return job


def new_job(*, by: str, **fields: Any) -> tuple[Job, Event]:
    """Return an unsaved pending job and the event that records its creation."""
    job = Job(**fields)
    job.due = job.available_at <= timezone.now()
    return job, build_job_event(job, JobEvent.CREATED, by=by, previous=None, to=JobStatus.PENDING)


@transaction.atomic
def update_job(
    job_id: UUID, *, by: str, precondition: Callable[[Job], None] | None = None, **fields: Any
) -> Job:
    """Change the fields of a job that its creator may set. Values that it already has change nothing."""
    job, now = _locked(Job, job_id, precondition)
    # Compared as JSON: in Python {"a": 1} == {"a": True}, and objects are equal in any order of their keys.
    changed = {name: value for name, value in fields.items() if to_json(getattr(job, name)) != to_json(value)}
    if changed:
        for name, value in changed.items():
            setattr(job, name, value)
        event = _event_without_transition(job, JobEvent.UPDATED, by=by, at=now, fields=sorted(changed))
        if "available_at" in changed:
            changed["due"] = job.due = False
        save_change(job, changed, event)
    return job


@transaction.atomic
def delete_job(job_id: UUID, *, by: str, precondition: Callable[[Job], None] | None = None) -> None:
    """Delete a job; its history stays."""
    job, now = _locked(Job, job_id, precondition)
    _event_without_transition(job, JobEvent.DELETED, by=by, at=now).save()
    job.delete()


@transaction.atomic
def change_status(  # noqa: PLR0913 - the fields of a worker's report
    job_id: UUID,
    to: JobStatus,
    *,
    by: str,
    reason: str | None = None,
    lease_token: UUID | None = None,
    result: dict[str, Any] | None = None,
    precondition: Callable[[Job], None] | None = None,
) -> Job:
    """Change a job's status, which ends its lease. The status that it already has changes nothing.

    A job that its worker completes or fails keeps the token, so that the worker may repeat the report if the
    response was lost.

    Args:
        job_id: the job.
        to: the new status.
        by: the username for the history.
        reason: why, for the history.
        lease_token: the token that the worker got with the job; if given, it must be the job's current one.
        result: what a completed job produced; ignored with any other status.
        precondition: see the module.

    Raises:
        LeaseLost: if the token is not the job's.
        TransitionNotAllowed: if the new status may not follow the current one.
    """
    job, now = _locked(Job, job_id, precondition)
    current = JobStatus(job.status)
    if lease_token is not None and lease_token != job.lease_token:
        raise LeaseLost(current)
    if to == current:
        return job
    if to not in job.allowed_statuses:
        raise TransitionNotAllowed(current, to, job.allowed_statuses)
    event = build_job_event(job, EVENT_OF_STATUS[to], by=by, previous=current, to=to, reason=reason, at=now)
    changed = {*job.apply_status(to, now), "result"}
    if to == JobStatus.COMPLETED:
        job.result = result
    if to in (JobStatus.COMPLETED, JobStatus.FAILED):
        job.lease_token = lease_token
    save_change(job, changed, event)
    return job


def record_event(**fields: Any) -> Event:
    """Create an event that a client reports: ``type`` and ``payload``."""
    return Event.objects.create(**fields)


def create_task(**fields: Any) -> Task:
    """Create a task with a ``title`` and, if given, a ``description``."""
    return Task.objects.create(**fields)


@transaction.atomic
def update_task(task_id: UUID, *, precondition: Callable[[Task], None] | None = None, **fields: Any) -> Task:
    """Change a task; every change raises its version."""
    task, _ = _locked(Task, task_id, precondition)
    for name, value in fields.items():
        setattr(task, name, value)
    task.save(update_fields=fields.keys())
    return task


@transaction.atomic
def delete_task(task_id: UUID, *, precondition: Callable[[Task], None] | None = None) -> None:
    """Delete a task."""
    task, _ = _locked(Task, task_id, precondition)
    task.delete()


def create_user(*, password: str | None, **fields: Any) -> User:
    """Create a user with a password that the caller has validated; None for a user who cannot sign in.

    Raises:
        DuplicateValue: if another user has the username or the email address.
    """
    with _reporting_duplicates(fields):
        return User.objects.create_user(password=password, **fields)


@transaction.atomic
def update_user(
    user_id: UUID,
    *,
    precondition: Callable[[User], None] | None = None,
    password: str | None = None,
    **fields: Any,
) -> User:
    """Change a user. A new ``password`` ends the user's sessions and tokens.

    Raises:
        DuplicateValue: if another user has the username or the email address.
        LastAdmin: if no admin who can sign in would be left.
    """
    user = _locked_user(user_id, precondition)
    was_admin = _can_administer(user)
    for name, value in fields.items():
        setattr(user, name, value)
    if password is not None:
        user.set_password(password)
    if was_admin and not _can_administer(user):
        _require_another_admin(user)
    with _reporting_duplicates(fields, user_id):
        user.save()
    return user


@transaction.atomic
def remove_password(user_id: UUID) -> User:
    """Remove a user's password: they cannot sign in until they get a new one.

    Raises:
        LastAdmin: if no admin who can sign in would be left.
    """
    user = _locked_user(user_id)
    if _can_administer(user):
        _require_another_admin(user)
    user.set_unusable_password()
    user.save()
    return user


@transaction.atomic
def delete_user(user_id: UUID, *, precondition: Callable[[User], None] | None = None) -> None:
    """Delete a user; the history keeps the username.

    Raises:
        LastAdmin: if no admin who can sign in would be left.
    """
    user = _locked_user(user_id, precondition)
    if _can_administer(user):
        _require_another_admin(user)
    user.delete()


def _locked(
    model: type[_Row], row_id: UUID, precondition: Callable[[_Row], None] | None = None
) -> tuple[_Row, datetime]:
    """Return the locked row, and the time by the database's clock."""
    row, now = rows.lock(model, row_id)
    if precondition is not None:
        precondition(row)
    return row, now


def _locked_user(user_id: UUID, precondition: Callable[[User], None] | None = None) -> User:
    """Return a user, locked together with all active admins.

    The order of the locks is always the same. If two admins demote each other at once, the second transaction
    waits for the first and then finds that its user is the last admin.
    """
    admins_and_user = Q(pk=user_id) | Q(role=Role.ADMIN, active=True)
    locked = User.objects.select_for_update().filter(admins_and_user).order_by("pk")
    user: User | None = next((user for user in list(locked) if user.pk == user_id), None)
    if user is None:
        raise User.DoesNotExist
    if precondition is not None:
        precondition(user)
    return user


def _can_administer(user: User) -> bool:
    return user.can_sign_in and user.role == Role.ADMIN


def _require_another_admin(leaving: User) -> None:
    others = User.objects.filter(role=Role.ADMIN, active=True).exclude(pk=leaving.pk)
    if not any(_can_administer(user) for user in others):
        raise LastAdmin


@contextmanager
def _reporting_duplicates(fields: Mapping[str, Any], user_id: UUID | None = None) -> Iterator[None]:
    """Turn a violation of a unique index, while a user is saved, into ``DuplicateValue``."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError:
        for name in ("username", "email"):
            if name in fields and User.objects.filter(**{name: fields[name]}).exclude(pk=user_id).exists():
                raise DuplicateValue(name, fields[name]) from None
        raise


def _event_without_transition(job: Job, event: JobEvent, **details: Any) -> Event:
    status = JobStatus(job.status)
    return build_job_event(job, event, previous=status, to=status, **details)


def build_job_event(  # noqa: PLR0913 - the members of an entry in the history
    job: Job,
    event: JobEvent,
    *,
    by: str,
    previous: JobStatus | None,
    to: JobStatus,
    reason: str | None = None,
    at: datetime | None = None,
    **more: Any,
) -> Event:
    """Return an unsaved event that records a job's change in its history.

    Args:
        job: the job before the change; after it, if the change is a claim or a report of progress.
        event: the event's type.
        by: the username, or "system".
        previous: the status before the change; None for a new job.
        to: the status after the change.
        reason: why.
        at: when, by the database's clock; None for this process's.
        more: further members of the payload.
    """
    is_attempt = JobStatus.RUNNING in (previous, to)
    payload = {
        "job_id": str(job.pk),
        "from": previous,
        "to": to,
        "by": by,
        "reason": reason,
        "worker": job.worker if is_attempt else None,
        "attempt": job.attempts + 1 if is_attempt else None,
        "queue": job.queue,
        "progress": job.progress,
        **more,
    }
    times = {} if at is None else {"created_at": at}
    return Event(type=event, payload=payload, job_id=job.pk, **times)
