"""Jobs whose lease has run out: they become pending again after a back-off, or fail (docs/leases.md)."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction

from orchestrator.actions import build_job_event
from orchestrator.choices import EVENT_OF_STATUS, JobStatus
from orchestrator.db.clock import database_now
from orchestrator.leases import contacts
from orchestrator.leases.schedule import has_scheduled, promote
from orchestrator.models import Event, Job

#: Jobs of one transaction.
BATCH_SIZE: Final = 500
#: Seconds from one run that a claim starts in a process to the next.
MIN_INTERVAL_SECONDS: Final = 5
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


def requeue_expired(may_go_on: Callable[[], bool] = lambda: True) -> Expiry:
    """End the leases that have run out, make jobs due, and forget silent workers.

    Safe to run twice at once: each run skips the jobs that another one has locked.

    Args:
        may_go_on: called before each batch; False ends the work.
    """
    statuses: Counter[JobStatus | None] = Counter()
    while may_go_on() and (batch := _end_batch()):
        statuses.update(batch)
    now, promoted = database_now(), 0
    while may_go_on() and has_scheduled(now) and (number := promote(now)):
        promoted += number
    return Expiry(statuses[JobStatus.PENDING], statuses[JobStatus.FAILED], promoted, contacts.prune(now))


def end_some() -> None:
    """End a batch of leases that have run out, unless this process has done so in the last seconds.

    Every claim calls it, so that leases end even where no background worker runs.
    """
    if runs_of_claims.begin():
        _end_batch()


class Runs:
    """Runs of a process, of which one may begin in ``MIN_INTERVAL_SECONDS``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Let the next run begin at once."""
        self._next_at = 0.0

    def begin(self) -> bool:
        """Return whether a run may begin now, and count it as begun."""
        with self._lock:
            now = time.monotonic()
            if now < self._next_at:
                return False
            self._next_at = now + MIN_INTERVAL_SECONDS
            return True


runs_of_claims: Final = Runs()


def backoff(attempts: int) -> timedelta:
    """Return how long a job waits after so many leases have run out."""
    return timedelta(seconds=min(2**attempts, MAX_BACKOFF_SECONDS))


def _end_batch() -> list[JobStatus | None]:
    """End the leases of a batch; return each job's new status, or None for a job that was not running."""
    if not Job.objects.expired(database_now()).exists():
        return []  # no transaction: on SQLite it would wait for the writers
    with transaction.atomic():
        now = database_now()  # not that of the whole run: a minute's events are counted when it is over
        expired = list(Job.objects.expired(now).select_for_update(skip_locked=True)[:BATCH_SIZE])
        outcomes = {job: _outcome(job) for job in expired}
        events = [_event(job, now) for job in expired if job.status == JobStatus.RUNNING]
        for outcome in set(outcomes.values()):
            rows = Job.objects.filter(pk__in=[job.pk for job in expired if outcomes[job] == outcome])
            rows.update(**_fields(outcome, now))
        Event.objects.bulk_create(events)
    return [outcome.status for outcome in outcomes.values()]


@dataclass(frozen=True)
class _Outcome:
    """The status that a job gets, None for the one it has, and its number of attempts."""

    status: JobStatus | None
    attempts: int


def _outcome(job: Job) -> _Outcome:
    if job.status != JobStatus.RUNNING:
        return _Outcome(None, job.attempts)
    attempts = job.attempts + 1
    return _Outcome(JobStatus.FAILED if attempts >= job.max_attempts else JobStatus.PENDING, attempts)


def _fields(outcome: _Outcome, now: datetime) -> dict[str, Any]:
    if outcome.status is None:
        return {"lease_token": None, "lease_expires_at": None}
    fields = {"updated_at": now, "attempts": outcome.attempts, **Job.fields_for_status(outcome.status, now)}
    if outcome.status == JobStatus.PENDING:
        fields["available_at"] = now + backoff(outcome.attempts)
    return fields


def _event(job: Job, now: datetime) -> Event:
    to = _outcome(job).status or JobStatus(job.status)
    reason = f"The lease of {job.worker} ran out: it sent no report and no heartbeat in time."
    if to == JobStatus.FAILED:
        reason = f"{reason} No attempt is left of {job.max_attempts}."
    return build_job_event(
        job, EVENT_OF_STATUS[to], by=SYSTEM, previous=JobStatus.RUNNING, to=to, reason=reason, at=now
    )
