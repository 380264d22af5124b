"""Claims: hand the next jobs to a worker, each to one only (docs/leases.md)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction

from monitoring.plans import Statement
from orchestrator.actions import build_job_event
from orchestrator.choices import JobEvent, JobStatus
from orchestrator.db import rows
from orchestrator.db.clock import database_now
from orchestrator.db.ids import new_id
from orchestrator.json_codec import to_json
from orchestrator.leases import contacts, expiry
from orchestrator.leases.queue_order import has_rows, has_scheduled_now, is_chosen_by, next_jobs, parameter
from orchestrator.leases.schedule import has_scheduled, promote
from orchestrator.limits import DEFAULT_LEASE_SECONDS
from orchestrator.models import Event, Job

_START: Final = f"""
    UPDATE jobs
    SET status = 'running', started_at = %s, updated_at = %s, completed_at = NULL,
        worker = %s, lease_token = gen_random_uuid(), lease_expires_at = %s
    WHERE {{condition}}
    RETURNING {rows.column_list(Job)}
"""  # noqa: S608 - our own names
# On PostgreSQL the jobs and their events take one round trip.
_WITH_EVENTS: Final = """
    WITH started AS ({start}), history AS (
        INSERT INTO events (id, type, payload, created_at, job_id)
        SELECT (%s::uuid[])[row_number() OVER ()], %s, %s::jsonb || jsonb_build_object(
            'job_id', id, 'attempt', attempts + 1, 'queue', queue, 'progress', progress
        ), %s, id
        FROM started
    )
    SELECT * FROM started
"""


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
    wanted = None if queues is None else sorted(set(queues))
    if connection.vendor == "sqlite" and not _has_jobs(wanted):
        return []  # a transaction would wait for the other writers
    with transaction.atomic():
        now, has_scheduled_jobs = _begin()
        if has_scheduled_jobs:
            promote(now, wanted)
        jobs = _start(_Lease(worker, by, now, timedelta(seconds=lease_seconds)), wanted, limit)
    return sorted(jobs, key=lambda job: (-job.priority, job.created_at, job.pk))


@dataclass(frozen=True)
class _Lease:
    worker: str
    by: str
    starts_at: datetime
    duration: timedelta


def _has_jobs(queues: list[str] | None) -> bool:
    now = database_now()
    return has_rows(next_jobs(queues, now, 1)) or has_scheduled(now)


def _begin() -> tuple[datetime, bool]:
    """Return the database's time, and whether there are jobs to promote.

    In this transaction PostgreSQL then reads jobs in the order of an index. Its statistics may not know of a
    million pending jobs yet. It would believe that it can sort them.
    """
    if connection.vendor == "sqlite":
        now = database_now()
        return now, has_scheduled(now)
    with connection.cursor() as cursor:
        off = "set_config('enable_sort', 'off', true)"
        cursor.execute(f"SELECT clock_timestamp(), {has_scheduled_now()}, {off}")
        now, has_scheduled_jobs, _ = cursor.fetchone()
    return now, has_scheduled_jobs


def _start(lease: _Lease, queues: list[str] | None, limit: int) -> list[Job]:
    """Start the next jobs; each becomes that of one worker, however many claim at once."""
    if queues is None or len(queues) == 1 or connection.vendor == "sqlite":
        return _start_chosen(lease, next_jobs(queues, lease.starts_at, limit), limit)
    return _start_of_queues(lease, queues, limit)


def _start_of_queues(lease: _Lease, queues: list[str], limit: int) -> list[Job]:
    """Start the next jobs of several queues on PostgreSQL, where a lock must not be taken in vain.

    Without locks it is found how many of the next jobs each queue has. Then so many of each are locked. Where
    other claims were faster, the rest is taken from any of the queues.
    """
    heads = next_jobs(queues, lease.starts_at, limit)
    with connection.cursor() as cursor:
        cursor.execute(heads.sql, heads.parameters)
        shares = Counter(queue for _, queue, _, _ in cursor.fetchall())
    jobs = _start_shares(lease, shares)
    if len(jobs) < shares.total():
        for queue in queues:
            jobs += _start_shares(lease, {queue: limit - len(jobs)})
    return jobs


def _start_shares(lease: _Lease, shares: Mapping[str, int]) -> list[Job]:
    """Start the next jobs of each queue, as many as its share."""
    jobs: list[Job] = []
    for queue, share in shares.items():
        if share:
            jobs += _start_chosen(lease, next_jobs([queue], lease.starts_at, share), share)
    return jobs


def _start_chosen(lease: _Lease, chosen: Statement, limit: int) -> list[Job]:
    """Start the jobs that a query selects, at most ``limit``, and record it in their history."""
    start = _START.format(condition=is_chosen_by(chosen))
    starts_at, expires_at = parameter(lease.starts_at), parameter(lease.starts_at + lease.duration)
    parameters = [starts_at, starts_at, lease.worker, expires_at, *chosen.parameters]
    if connection.vendor == "sqlite":
        jobs = rows.returned(Job, start, parameters)
        if jobs:
            rows.insert(connection, [_started(job, lease.by) for job in jobs])
        return jobs
    event = _started(Job(worker=lease.worker), lease.by)
    ids = [new_id() for _ in range(limit)]
    parameters += [ids, event.type, to_json(event.payload).decode(), event.created_at]
    return rows.returned(Job, _WITH_EVENTS.format(start=start), parameters)


def _started(job: Job, by: str) -> Event:
    return build_job_event(job, JobEvent.STARTED, by=by, previous=JobStatus.PENDING, to=JobStatus.RUNNING)
