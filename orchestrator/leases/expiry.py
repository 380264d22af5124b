"""Jobs whose lease has run out: they become pending again after a back-off, or fail (docs/leases.md)."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction

from orchestrator.actions import build_job_event
from orchestrator.choices import EVENT_OF_STATUS, JobStatus
from orchestrator.db.clock import database_now
from orchestrator.leases import contacts
from orchestrator.leases.claim import promote
from orchestrator.models import Event, Job

#: Jobs of one transaction.
BATCH_SIZE: Final = 500
#: Seconds until a job can be claimed again, at most.
MAX_BACKOFF_SECONDS: Final = 3600
#: Who changes the jobs, in their history.
SYSTEM: Final = "system"


@dataclass(frozen=True)
class Expiry:
    """What a run changed.

    Args:
        requeued: jobs that are pending again.
        failed: jobs that had no attempt left.
        promoted: jobs whose time had come.
        pruned: workers that were silent for a day.
    """

    requeued: int
    failed: int
    promoted: int
    pruned: int


def requeue_expired() -> Expiry:
    """End the leases that have run out, make jobs due, and forget silent workers.

    Safe to run twice at once: each run skips the jobs that another one has locked.
    """
    now = database_now()
    statuses: Counter[JobStatus] = Counter()
    while batch := _end_batch(now):
        statuses.update(batch)
    promoted = 0
    while number := promote(now):
        promoted += number
    return Expiry(statuses[JobStatus.PENDING], statuses[JobStatus.FAILED], promoted, contacts.prune(now))


def backoff(attempts: int) -> timedelta:
    """Return how long a job waits after so many leases have run out."""
    return timedelta(seconds=min(2**attempts, MAX_BACKOFF_SECONDS))


def _end_batch(now: datetime) -> list[JobStatus]:
    """End the leases of a batch; return the statuses that the jobs get."""
    if not Job.objects.expired(now).exists():
        return []  # no transaction: on SQLite it would wait for the writers
    with transaction.atomic():
        expired = list(Job.objects.expired(now).select_for_update(skip_locked=True)[:BATCH_SIZE])
        events = [_event(job) for job in expired]
        for (status, attempts), jobs in _by_outcome(expired).items():
            rows = Job.objects.filter(pk__in=[job.pk for job in jobs])
            rows.update(**_fields(status, attempts, now))
        Event.objects.bulk_create(events)
    return [_outcome(job)[0] for job in expired]


def _outcome(job: Job) -> tuple[JobStatus, int]:
    """Return the status that a job gets, and its attempts."""
    attempts = job.attempts + 1
    return JobStatus.FAILED if attempts >= job.max_attempts else JobStatus.PENDING, attempts


def _by_outcome(jobs: Sequence[Job]) -> dict[tuple[JobStatus, int], list[Job]]:
    groups: dict[tuple[JobStatus, int], list[Job]] = defaultdict(list)
    for job in jobs:
        groups[_outcome(job)].append(job)
    return groups


def _fields(status: JobStatus, attempts: int, now: datetime) -> dict[str, Any]:
    fields = {"updated_at": now, "attempts": attempts, **Job.fields_for_status(status, now)}
    return fields | ({"available_at": now + backoff(attempts)} if status == JobStatus.PENDING else {})


def _event(job: Job) -> Event:
    to, _ = _outcome(job)
    reason = f"The lease of {job.worker} ran out: it sent no report and no heartbeat in time."
    if to == JobStatus.FAILED:
        reason = f"{reason} No attempt is left of {job.max_attempts}."
    return build_job_event(
        job, EVENT_OF_STATUS[to], by=SYSTEM, previous=JobStatus.RUNNING, to=to, reason=reason
    )
