"""Heartbeats: a worker keeps its job, and reports progress."""

from datetime import timedelta
from uuid import UUID

from django.db import transaction

from orchestrator.actions import build_job_event
from orchestrator.choices import JobEvent, JobStatus
from orchestrator.db.clock import database_now
from orchestrator.exceptions import LeaseLost
from orchestrator.leases import contacts
from orchestrator.limits import DEFAULT_LEASE_SECONDS
from orchestrator.models import Job


def heartbeat(
    job_id: UUID,
    lease_token: UUID,
    *,
    by: str,
    lease_seconds: int = DEFAULT_LEASE_SECONDS,
    progress: int | None = None,
) -> Job:
    """Let a lease end this many seconds from now, and record the job's progress if it is given.

    Raises:
        Job.DoesNotExist: if there is no such job.
        LeaseLost: if the token is not the job's, or the job is no longer running.
    """
    job = _extend(job_id, lease_token, timedelta(seconds=lease_seconds), progress, by)
    if job.worker is not None:
        contacts.note_heartbeat(job.worker)
    return job


@transaction.atomic
def _extend(job_id: UUID, lease_token: UUID, duration: timedelta, progress: int | None, by: str) -> Job:
    job: Job = Job.objects.select_for_update().get(pk=job_id)
    status = JobStatus(job.status)
    if status != JobStatus.RUNNING or job.lease_token != lease_token:
        raise LeaseLost(status)
    now = database_now()
    job.lease_expires_at = now + duration
    if progress is None or progress == job.progress:
        job.save(update_fields=["lease_expires_at"])
        return job
    job.progress = progress
    job.save(update_fields=["lease_expires_at", "progress"])
    build_job_event(job, JobEvent.PROGRESS, by=by, previous=status, to=status, at=now).save()
    return job
