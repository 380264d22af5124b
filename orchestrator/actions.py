"""What touches two models or starts something: each function is one change, whole or not at all.

Every change of a job writes its event in the same transaction. A caller who needs a job that must not change
meanwhile gets it locked by ``_locked``: a row lock on PostgreSQL; on SQLite the write transaction itself,
which is ``IMMEDIATE``.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from orchestrator.choices import EVENT_OF_STATUS, JobEvent, JobStatus, Role
from orchestrator.exceptions import DuplicateValue, LastAdmin, LeaseLost, TransitionNotAllowed
from orchestrator.models import Event, Job, Task, User

#: Columns of a job that its transitions may write.
_LIFE_CYCLE_FIELDS = (
    "status",
    "result",
    "progress",
    "started_at",
    "completed_at",
    "attempts",
    "worker",
    "lease_token",
    "lease_expires_at",
)


@transaction.atomic
def create_job(*, by: str, **fields: Any) -> Job:
    """Create a pending job and its first event.

    Args:
        by: the user name of who asks.
        fields: ``name`` and, if given, ``description``, ``priority``, ``queue``, ``metadata``,
            ``available_at`` and ``max_attempts``.
    """
    job = Job.objects.create(**fields)
    _record(job, JobEvent.CREATED, by=by, previous=None)
    return job


@transaction.atomic
def update_job(job_id: UUID, *, by: str, **fields: Any) -> Job:
    """Change the fields of a job that its creator may set; values that it already has change nothing.

    Raises:
        Job.DoesNotExist: when there is no such job.
    """
    job = _locked(job_id)
    changed = {name: value for name, value in fields.items() if getattr(job, name) != value}
    if changed:
        for name, value in changed.items():
            setattr(job, name, value)
        job.save(update_fields=changed.keys())
        _record(job, JobEvent.UPDATED, by=by, previous=JobStatus(job.status), fields=sorted(changed))
    return job


@transaction.atomic
def delete_job(job_id: UUID, *, by: str) -> None:
    """Delete a job; its history stays.

    Raises:
        Job.DoesNotExist: when there is no such job.
    """
    job = _locked(job_id)
    _record(job, JobEvent.DELETED, by=by, previous=JobStatus(job.status))
    job.delete()


@transaction.atomic
def change_status(  # noqa: PLR0913 - what a report of a worker has
    job_id: UUID,
    to: JobStatus,
    *,
    by: str,
    reason: str | None = None,
    lease_token: UUID | None = None,
    result: dict[str, Any] | None = None,
) -> Job:
    """Take a job to another status; the status that it already has changes nothing.

    Args:
        job_id: which job.
        to: the status it shall have.
        by: the user name of who asks.
        reason: why, for the history.
        lease_token: what the worker was given with the job; must still be the job's if given.
        result: what a completed job produced; ignored with any other status.

    Raises:
        Job.DoesNotExist: when there is no such job.
        LeaseLost: when the token is not the job's.
        TransitionNotAllowed: when the status may not follow the job's.
    """
    job = _locked(job_id)
    if lease_token is not None and lease_token != job.lease_token:
        raise LeaseLost
    current = JobStatus(job.status)
    if to == current:
        return job
    if to not in job.allowed_statuses:
        raise TransitionNotAllowed(current, to, job.allowed_statuses)
    job.apply_status(to, timezone.now())
    if to == JobStatus.COMPLETED:
        job.result = result
    job.save(update_fields=_LIFE_CYCLE_FIELDS)
    _record(job, EVENT_OF_STATUS[to], by=by, previous=current, reason=reason)
    return job


def record_event(**fields: Any) -> Event:
    """Write down something that happened to a client: ``type`` and ``payload``."""
    return Event.objects.create(**fields)


def create_task(**fields: Any) -> Task:
    """Create a task of a ``title`` and, if given, a ``description``."""
    return Task.objects.create(**fields)


@transaction.atomic
def update_task(task_id: UUID, *, guard: Callable[[Task], None] | None = None, **fields: Any) -> Task:
    """Change a task; every change raises its version.

    Args:
        task_id: which task.
        guard: called with the locked task before anything is written; what it raises stops the change.
        fields: the columns to set.

    Raises:
        Task.DoesNotExist: when there is no such task.
    """
    task = _locked_task(task_id, guard)
    for name, value in fields.items():
        setattr(task, name, value)
    task.save(update_fields=fields.keys())
    return task


@transaction.atomic
def delete_task(task_id: UUID, *, guard: Callable[[Task], None] | None = None) -> None:
    """Delete a task; ``guard`` and what is raised are those of ``update_task``."""
    _locked_task(task_id, guard).delete()


def create_user(*, password: str | None, **fields: Any) -> User:
    """Create a user.

    Args:
        password: the plain password, or None for one who cannot sign in; whether it is good enough is the
            caller's question.
        fields: ``username``, ``email`` and, if given, ``role`` and ``active``.

    Raises:
        DuplicateValue: when another user has the name or the address.
    """
    with _unique_user(fields, but=None):
        return User.objects.create_user(password=password, **fields)


@transaction.atomic
def update_user(user_id: UUID, *, password: str | None = None, **fields: Any) -> User:
    """Change a user; a new ``password`` ends every session and token they have.

    Raises:
        User.DoesNotExist: when there is no such user.
        DuplicateValue: when another user has the name or the address.
        LastAdmin: when nobody would be left to manage users.
    """
    user = _locked_user(user_id)
    was_admin = _manages_users(user)
    for name, value in fields.items():
        setattr(user, name, value)
    if password is not None:
        user.set_password(password)
    if was_admin and not _manages_users(user):
        _keep_an_admin(user)
    with _unique_user(fields, but=user_id):
        user.save()
    return user


@transaction.atomic
def delete_user(user_id: UUID) -> None:
    """Delete a user; what they did stays in the history under their name.

    Raises:
        User.DoesNotExist: when there is no such user.
        LastAdmin: when nobody would be left to manage users.
    """
    user = _locked_user(user_id)
    if _manages_users(user):
        _keep_an_admin(user)
    user.delete()


def _locked_user(user_id: UUID) -> User:
    """Return a user to be changed, locked together with all admins.

    Always in the same order: of two who demote each other at once the second finds that they are the last.
    """
    concerned = Q(pk=user_id) | Q(role=Role.ADMIN, active=True)
    locked = {user.pk: user for user in User.objects.select_for_update().filter(concerned).order_by("pk")}
    if user_id not in locked:
        raise User.DoesNotExist
    user: User = locked[user_id]
    return user


def _manages_users(user: User) -> bool:
    return user.active and user.role == Role.ADMIN


def _keep_an_admin(leaving: User) -> None:
    if not User.objects.filter(role=Role.ADMIN, active=True).exclude(pk=leaving.pk).exists():
        raise LastAdmin


@contextmanager
def _unique_user(fields: Mapping[str, Any], *, but: UUID | None) -> Iterator[None]:
    """Turn the database's refusal of a second user of one name or address into ``DuplicateValue``."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError:
        for name in ("username", "email"):
            if name in fields and User.objects.filter(**{name: fields[name]}).exclude(pk=but).exists():
                raise DuplicateValue(name, fields[name]) from None
        raise


def _locked(job_id: UUID) -> Job:
    job: Job = Job.objects.select_for_update().get(pk=job_id)
    return job


def _locked_task(task_id: UUID, guard: Callable[[Task], None] | None) -> Task:
    task: Task = Task.objects.select_for_update().get(pk=task_id)
    if guard is not None:
        guard(task)
    return task


def _record(job: Job, event: JobEvent, **details: Any) -> Event:
    written = build_job_event(job.pk, event, to=JobStatus(job.status), **details)
    written.save()
    return written


def build_job_event(  # noqa: PLR0913 - what an entry tells
    job_id: UUID,
    event: JobEvent,
    *,
    by: str,
    previous: JobStatus | None,
    to: JobStatus,
    reason: str | None = None,
    **more: Any,
) -> Event:
    """Return, unsaved, the event that tells of a job's change in its history.

    Args:
        job_id: which job.
        event: what happened.
        by: the user name of who did it.
        previous: the status before, None for a new job.
        to: the status after.
        reason: why.
        more: further members of the payload.
    """
    payload = {"job_id": str(job_id), "from": previous, "to": to, "by": by, "reason": reason, **more}
    return Event(type=event, payload=payload, job_id=job_id)
