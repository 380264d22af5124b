"""Jobs that keep failing: each has several failures or expired leases in a day."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import QuerySet

from orchestrator.choices import JobEvent, JobStatus
from orchestrator.console.work_rollups import PayloadText
from orchestrator.leases.expiry import SYSTEM
from orchestrator.models import Event, Job

#: Failures and expired leases of a job that are too many.
MIN_FAILURES: Final = 3
#: How far back failures count.
_SINCE: Final = timedelta(days=1)
#: Events of each type that are read, the newest.
_MAX_READ: Final = 2000
#: Jobs that are reported, those that fail most.
MAX_FAILING_JOBS: Final = 5


@dataclass(frozen=True)
class FailingJob:
    """A job that keeps failing and has not been completed or cancelled.

    Args:
        id: the job's id.
        name: the job's name.
        queue: its queue.
        status: its status.
        failures: how often it failed or its lease ran out in a day.
    """

    id: UUID
    name: str
    queue: str
    status: str
    failures: int


def failing_jobs(now: datetime) -> tuple[FailingJob, ...]:
    """Return the jobs that fail most."""
    failures = Counter([*_failed(now), *_expired(now)])
    often = [job_id for job_id, number in failures.items() if job_id and number >= MIN_FAILURES]
    if not often:
        return ()
    ended = (JobStatus.COMPLETED, JobStatus.CANCELLED)
    rows = Job.objects.filter(pk__in=often).exclude(status__in=ended)
    jobs = [
        FailingJob(job.pk, job.name, job.queue, job.status, failures[job.pk])
        for job in rows.only("name", "queue", "status")
    ]
    return tuple(sorted(jobs, key=lambda job: (-job.failures, job.id)))[:MAX_FAILING_JOBS]


def _failed(now: datetime) -> list[UUID | None]:
    return list(_events(JobEvent.FAILED, now).values_list("job_id", flat=True)[:_MAX_READ])


def _expired(now: datetime) -> list[UUID | None]:
    # The newest of all are read, and then those of the service are kept: that bounds the cost.
    requeued = _events(JobEvent.REQUEUED, now).values_list("job_id", PayloadText("by"))[:_MAX_READ]
    return [job_id for job_id, by in requeued if by == SYSTEM]


def _events(event_type: JobEvent, now: datetime) -> QuerySet[Event]:
    events: QuerySet[Event] = Event.objects.filter(
        type=event_type, job_id__isnull=False, created_at__gte=now - _SINCE
    )
    return events.order_by("-created_at")
