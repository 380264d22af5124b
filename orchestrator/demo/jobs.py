"""Jobs and the events of their histories."""

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import accumulate, pairwise
from random import Random
from typing import Any, Final, NamedTuple
from uuid import UUID

from orchestrator.choices import ENDED_STATUSES, EVENT_OF_STATUS, JobEvent, JobStatus
from orchestrator.demo.randomness import ages, random_id
from orchestrator.demo.vocabulary import KINDS, OPERATORS, RUNNERS, JobKind, with_subject
from orchestrator.limits import MAX_PROGRESS
from orchestrator.models import Event, Job

Lifecycle = tuple[JobStatus, ...]
PENDING, RUNNING, COMPLETED, FAILED, CANCELLED = JobStatus

# A worker was lost with each attempt that the job had.
_EXHAUSTED: Final = (PENDING, RUNNING, PENDING, RUNNING, PENDING, RUNNING, FAILED)
#: The statuses that a job may have had one after the other, with the frequency of each such lifecycle.
ENDED_LIFECYCLES: Final[dict[Lifecycle, int]] = {
    (PENDING, RUNNING, COMPLETED): 880,
    (PENDING, RUNNING, FAILED): 50,
    (PENDING, RUNNING, FAILED, PENDING, RUNNING, COMPLETED): 20,
    (PENDING, RUNNING, PENDING, RUNNING, COMPLETED): 20,
    _EXHAUSTED: 2,
    (PENDING, CANCELLED): 16,
    (PENDING, RUNNING, CANCELLED): 12,
}
OPEN_LIFECYCLES: Final[dict[Lifecycle, int]] = {
    (PENDING,): 60,
    (PENDING, RUNNING, PENDING): 5,
    (PENDING, RUNNING): 30,
    (PENDING, RUNNING, PENDING, RUNNING): 5,
}
_DESCRIPTIONS: Final = (
    "",
    "",
    "",
    "Part of the nightly run.",
    "Runs again with more memory.",
    "May take long.",
)
_RETRY_REASONS: Final = (None, "Upstream is back", "Retry after the outage", "Fixed the input")
_CANCEL_REASONS: Final = (None, "Duplicate", "No longer needed", "Submitted by mistake")
_PRIORITY_OFFSETS: Final = (0,) * 10 + (5, 10)
_FIRST_NUMBER: Final = 2_000

# Median times in seconds. The times are log-normal with this spread.
_WAIT: Final = 15  # until a worker claims a job
_LOW_PRIORITY_WAIT: Final = 360
_LEASE: Final = 75  # until the lease of a lost worker expires
_DECISION: Final = 720  # until an operator decides
_SPREAD: Final = 0.8
# Workers report the progress of jobs that take at least so many seconds.
_REPORTED_SECONDS: Final = 60
# The remaining time of the leases of running jobs, from the data's end, which is up to five minutes ago.
# Nobody extends them, so the jobs become pending again soon after the load, and the demo's workers do them.
_LEASE_MINUTES_LEFT: Final = (9, 10)
# The share of the jobs that nobody has started yet which wait for a time, and the minutes that they wait.
_SCHEDULED_SHARE: Final = 0.2
_SCHEDULED_MINUTES: Final = (6, 600)


class _Run(NamedTuple):
    """What a worker did with a job: its name, the number of the attempt, and its last reported progress."""

    worker: str
    attempt: int
    progress: int | None


def jobs(random: Random, total: int, until: datetime) -> Iterator[tuple[Job, list[Event]]]:
    """Yield ``total`` jobs that were created before ``until``, oldest first, each with its history."""
    shares = list(accumulate(kind.share for kind in KINDS))
    for number, age in enumerate(ages(random, total)):
        (kind,) = random.choices(KINDS, cum_weights=shares)
        lifecycle = _lifecycle(random, kind, age, (total - number) / math.sqrt(total))
        times = _times(random, kind, lifecycle, until - age, until)
        runs = _runs(random, kind, lifecycle)
        job = _job(random, kind, number, lifecycle, times)
        if job.status == PENDING:
            _schedule(random, job, until)
        elif run := runs[-1]:
            job.worker, job.progress = run.worker, run.progress
        if job.status == RUNNING:
            job.lease_token = random_id(random, until)
            job.lease_expires_at = until + timedelta(minutes=random.uniform(*_LEASE_MINUTES_LEFT))
        yield job, list(_history(random, kind, job.id, lifecycle, times, runs))


def _lifecycle(random: Random, kind: JobKind, age: timedelta, rank: float) -> Lifecycle:
    """Return the lifecycle of a job; ``rank`` is its position, newest first, over the root of all jobs."""
    # Few jobs are open, however many there are: those that cannot have ended yet, and some of the newest.
    is_open = age.total_seconds() < kind.seconds or random.random() < 1 - rank / 2
    lifecycles = OPEN_LIFECYCLES if is_open else ENDED_LIFECYCLES
    (lifecycle,) = random.choices(list(lifecycles), list(lifecycles.values()))
    return lifecycle


def _times(
    random: Random, kind: JobKind, lifecycle: Lifecycle, created: datetime, until: datetime
) -> list[datetime]:
    """Return the times at which a job got its statuses, all before ``until``."""
    gaps = (_median(kind, *pair) * random.lognormvariate(0, _SPREAD) for pair in pairwise(lifecycle))
    offsets = list(accumulate(gaps, initial=0.0))
    scale = min(1.0, 0.95 * (until - created).total_seconds() / max(offsets[-1], 1.0))
    times = [created + timedelta(seconds=offset * scale) for offset in offsets]
    if lifecycle[-1] == RUNNING:
        # However long it waited, the job has not run for longer than usual.
        times[-1] = max(times[-1], until - timedelta(seconds=1 + random.random() * kind.seconds))
    return times


def _median(kind: JobKind, before: JobStatus, after: JobStatus) -> float:
    """Return the median time in seconds that a job stays in a status."""
    if after == RUNNING:
        return _LOW_PRIORITY_WAIT if kind.priority < 0 else _WAIT
    if before == RUNNING:
        return _LEASE if after == PENDING else kind.seconds
    return _DECISION


def _runs(random: Random, kind: JobKind, lifecycle: Lifecycle) -> list[_Run | None]:
    """Return for each status of a lifecycle the run that begins or ends with it, if one does."""
    runs: list[_Run | None] = []
    run, attempt = None, 1
    for before, after in pairwise((None, *lifecycle)):
        if after == RUNNING:
            run = _Run(
                f"{kind.pool}-{random.choice(('fra', 'iad'))}-{random.randint(1, 5):02}", attempt, None
            )
        if run and kind.seconds >= _REPORTED_SECONDS:
            run = run._replace(
                progress=MAX_PROGRESS if after == COMPLETED else random.randrange(MAX_PROGRESS)
            )
        runs.append(run if RUNNING in (before, after) else None)
        attempt += (before, after) == (RUNNING, PENDING)
    return runs


def new_job(random: Random) -> dict[str, Any]:
    """Return what an agent submits: the fields of a new job."""
    (kind,) = random.choices(KINDS, [kind.share for kind in KINDS])
    return _submitted(random, kind, random.randrange(_FIRST_NUMBER, 5 * _FIRST_NUMBER))


def _submitted(random: Random, kind: JobKind, number: int) -> dict[str, Any]:
    name, subject = with_subject(random, kind.name)
    return {
        "name": name.replace("{number}", str(number)),
        "description": random.choice(_DESCRIPTIONS),
        "priority": kind.priority + random.choice(_PRIORITY_OFFSETS),
        "queue": kind.queue,
        "metadata": {"agent": kind.agent, "items": random.randint(1, 500), **subject},
    }


def _job(random: Random, kind: JobKind, number: int, lifecycle: Lifecycle, times: list[datetime]) -> Job:
    """Return the job that a history leaves, without what its worker says of it."""
    status, last = lifecycle[-1], dict(zip(lifecycle, times, strict=True))
    submitted = _submitted(random, kind, _FIRST_NUMBER + number)
    return Job(
        id=random_id(random, times[0]),
        **submitted,
        status=status.value,
        result={"processed": submitted["metadata"]["items"]} if status == COMPLETED else None,
        created_at=times[0],
        updated_at=times[-1],
        available_at=last[PENDING],
        started_at=None if status == PENDING else last.get(RUNNING),
        completed_at=times[-1] if status in ENDED_STATUSES else None,
        attempts=list(pairwise(lifecycle)).count((RUNNING, PENDING)) + (lifecycle == _EXHAUSTED),
    )


def _schedule(random: Random, job: Job, until: datetime) -> None:
    """Set when a pending job may be claimed: at once, after a back-off, or at a time that its agent chose."""
    if job.attempts:
        job.available_at += timedelta(seconds=2**job.attempts)
    elif job.available_at == job.created_at and random.random() < _SCHEDULED_SHARE:
        shortest, longest = _SCHEDULED_MINUTES
        job.available_at = until + timedelta(minutes=shortest * (longest / shortest) ** random.random())
    job.due = job.available_at <= until


def _history(  # noqa: PLR0913, PLR0917 - what describes a job's past
    random: Random,
    kind: JobKind,
    job_id: UUID,
    lifecycle: Lifecycle,
    times: list[datetime],
    runs: list[_Run | None],
) -> Iterator[Event]:
    """Yield the events of one job."""
    for before, after, at, run in zip((None, *lifecycle[:-1]), lifecycle, times, runs, strict=True):
        lost = before == RUNNING and (after == PENDING or lifecycle == _EXHAUSTED)
        by, reason = _loss(run) if run and lost else _author(random, kind, before, after)
        yield Event(
            id=random_id(random, at),
            type=(EVENT_OF_STATUS[after] if before else JobEvent.CREATED).value,
            # The members of build_job_event.
            payload={
                "job_id": str(job_id),
                "from": before,
                "to": after,
                "by": by,
                "reason": reason,
                "worker": run.worker if run else None,
                "attempt": run.attempt if run else None,
                "queue": kind.queue,
                "progress": run.progress if run and before == RUNNING else None,
            },
            created_at=at,
            job_id=job_id,
        )


def _loss(run: _Run) -> tuple[str, str]:
    """Return who changes the status of a job whose worker is lost, and the reason."""
    return "system", f"The lease of {run.worker} ran out: it sent no report and no heartbeat in time."


def _author(
    random: Random, kind: JobKind, before: JobStatus | None, after: JobStatus
) -> tuple[str, str | None]:
    """Return which account changed a job's status, and the reason."""
    if before is None:
        return kind.agent, None
    if after == CANCELLED:
        return random.choice(list(OPERATORS)), random.choice(_CANCEL_REASONS)
    if after != PENDING:
        return RUNNERS[kind.queue], kind.failure if after == FAILED else None
    return random.choice(list(OPERATORS)), random.choice(_RETRY_REASONS)
