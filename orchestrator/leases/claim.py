"""Claims: hand the next jobs to a worker, each to one only (docs/leases.md)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db import connection, transaction

from orchestrator.actions import build_job_event
from orchestrator.choices import JobEvent, JobStatus
from orchestrator.db import rows
from orchestrator.db.clock import database_now
from orchestrator.db.ids import new_id
from orchestrator.json_codec import to_json
from orchestrator.leases import contacts, expiry, schedule
from orchestrator.leases.queue_order import has_rows, is_chosen_by, next_jobs, parameter
from orchestrator.limits import DEFAULT_LEASE_SECONDS
from orchestrator.models import Event, Job

# PostgreSQL: one round trip (migrations/sql/0014_claim_functions.postgresql.sql).
_CLAIM: Final = f"SELECT {rows.column_list(Job)} FROM claim_jobs(%s, %s, %s, %s, %s, %s, %s, %s, %s)"  # noqa: S608
# SQLite.
_START: Final = f"""
    UPDATE jobs
    SET status = 'running', started_at = %s, updated_at = %s, completed_at = NULL,
        worker = %s, lease_token = gen_random_uuid(), lease_expires_at = %s
    WHERE {{condition}}
    RETURNING {rows.column_list(Job)}
"""  # noqa: S608 - our own names


def claim(
    worker: str,
    *,
    by: str,
    queues: Sequence[str] | None = None,
    limit: int = 1,
    lease_seconds: int = DEFAULT_LEASE_SECONDS,
) -> list[Job]:
    """Hand the next jobs to a worker: they are running, each under a lease with a token of its own.

    Args:
        worker: the worker's name.
        by: the username for the history.
        queues: the queues to take jobs from; None for all of them.
        limit: the largest number of jobs.
        lease_seconds: how long the worker has the jobs without a heartbeat.

    Returns:
        The jobs, those of the highest priority first and of these the oldest; none if no job is due.
    """
    contacts.note_claim(worker, queues)
    expiry.end_some()
    claim_on = _claim_on_postgresql if connection.vendor == "postgresql" else _claim_on_sqlite
    lease = _Lease(worker, by, timedelta(seconds=lease_seconds))
    jobs = claim_on(lease, None if queues is None else sorted(set(queues)), limit)
    return sorted(jobs, key=lambda job: (-job.priority, job.created_at, job.pk))


@dataclass(frozen=True)
class _Lease:
    worker: str
    by: str
    duration: timedelta


@transaction.atomic
def _claim_on_postgresql(lease: _Lease, queues: list[str] | None, limit: int) -> list[Job]:
    event = _started(Job(worker=lease.worker), lease.by)
    event_ids = [new_id() for _ in range(limit)]
    of_event = (event_ids, event.type, to_json(event.payload).decode())
    promoted = (schedule.MAX_PROMOTED, schedule.MAX_COMPARED)
    return rows.returned(Job, _CLAIM, [lease.worker, queues, limit, lease.duration, *promoted, *of_event])


def _claim_on_sqlite(lease: _Lease, queues: list[str] | None, limit: int) -> list[Job]:
    now = database_now()
    if not (has_rows(next_jobs(queues, now, 1)) or schedule.has_scheduled(now)):
        return []  # a transaction would wait for the other writers
    with transaction.atomic():
        now = database_now()
        if schedule.has_scheduled(now):
            schedule.promote(now, queues)
        chosen = next_jobs(queues, now, limit)
        start, expires = parameter(now), parameter(now + lease.duration)
        values: list[Any] = [start, start, lease.worker, expires, *chosen.parameters]
        jobs = rows.returned(Job, _START.format(condition=is_chosen_by(chosen)), values)
        if jobs:
            rows.insert(connection, [_started(job, lease.by) for job in jobs])
    return jobs


def _started(job: Job, by: str) -> Event:
    return build_job_event(job, JobEvent.STARTED, by=by, previous=JobStatus.PENDING, to=JobStatus.RUNNING)
