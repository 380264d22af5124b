"""Figures of each worker: when it was last seen, which jobs it has, and what it did in the last hour."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from orchestrator.console.work_rollups import WorkCounts
from orchestrator.models import Job, Worker

#: Workers of a report, those that were seen last and those that have jobs.
MAX_LISTED_WORKERS: Final = 500
#: Leases that are read, those that end first.
MAX_LEASES: Final = 2000
#: A worker that was not seen for so long is gone, or silent if it had jobs.
UNSEEN_AFTER: Final = timedelta(minutes=2)

#: ``silent``: it had jobs when it was last seen, and its lease ran out or it missed two heartbeats;
#: ``gone``: it had none.
WorkerState = Literal["silent", "working", "idle", "gone"]
STATES: Final[tuple[WorkerState, ...]] = ("silent", "working", "idle", "gone")


@dataclass(frozen=True)
class HeldJob:
    """A job that a worker has now.

    Args:
        id: the job's id.
        name: the job's name.
        lease_expires_at: when its lease ends.
    """

    id: UUID
    name: str
    lease_expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class WorkerFigures:
    """A worker.

    Args:
        name: the worker's name.
        queues: the queues that its last claim named; None for all.
        seen_at: when it claimed jobs or sent a heartbeat; None if it never did.
        held: the jobs that it has; those whose lease ends first.
        hour: what it did in the last hour; ``expired`` are the leases that it lost.
        state: whether it works.
    """

    name: str
    queues: tuple[str, ...] | None
    seen_at: datetime | None
    held: tuple[HeldJob, ...]
    hour: WorkCounts
    state: WorkerState

    def serves(self, queue: str) -> bool:
        """Return whether it is there and takes jobs of a queue."""
        return self.state in ("working", "idle") and (self.queues is None or queue in self.queues)


@dataclass(frozen=True, kw_only=True)
class WorkerList:
    """The workers.

    Args:
        workers: at most ``MAX_LISTED_WORKERS``, and those that have jobs; the silent ones first.
        is_complete: whether these are all.
        leases: the number of jobs that workers have.
    """

    workers: tuple[WorkerFigures, ...]
    is_complete: bool
    leases: int

    @property
    def by_state(self) -> dict[WorkerState, int]:
        """Return the number of workers in each state."""
        states = [worker.state for worker in self.workers]
        return {state: states.count(state) for state in STATES}


def worker_list(work: Mapping[tuple[str, str], WorkCounts], now: datetime) -> WorkerList:
    """Return the workers that were seen in the last day, and those that have jobs.

    Args:
        work: what was done in the last hour, by queue and worker.
        now: the current time.
    """
    held, leases = _held_jobs()
    seen = list(Worker.objects.order_by("-seen_at")[: MAX_LISTED_WORKERS + 1])
    rows = {worker.name: worker for worker in seen[:MAX_LISTED_WORKERS]}
    unlisted = held.keys() - rows.keys()
    rows |= Worker.objects.in_bulk(unlisted) if unlisted else {}
    hour = _by_worker(work)
    names = [*rows, *(unlisted - rows.keys())]
    workers = (_figures(name, rows.get(name), held.get(name, ()), hour[name], now) for name in names)
    return WorkerList(
        workers=tuple(sorted(workers, key=lambda worker: (STATES.index(worker.state), worker.name))),
        is_complete=len(seen) <= MAX_LISTED_WORKERS,
        leases=leases,
    )


def _held_jobs() -> tuple[dict[str, tuple[HeldJob, ...]], int]:
    """Return the jobs by the worker that has them, and the number of all leases."""
    leases = Job.objects.under_lease()
    held: dict[str, list[HeldJob]] = defaultdict(list)
    rows = leases.values_list("worker", "pk", "name", "lease_expires_at")[:MAX_LEASES]
    for worker, *job in rows:
        held[worker or ""].append(HeldJob(*job))
    number = sum(map(len, held.values()))
    if number == MAX_LEASES:
        number = leases.order_by().count()  # an index-only scan, and only with thousands of workers
    return {worker: tuple(jobs) for worker, jobs in held.items()}, number


def _by_worker(work: Mapping[tuple[str, str], WorkCounts]) -> dict[str, WorkCounts]:
    sums: dict[str, WorkCounts] = defaultdict(WorkCounts)
    for (_, worker), done in work.items():
        sums[worker] += done
    return sums


def _figures(
    name: str, row: Worker | None, held: Sequence[HeldJob], hour: WorkCounts, now: datetime
) -> WorkerFigures:
    seen_at = None if row is None else row.seen_at
    return WorkerFigures(
        name=name,
        queues=None if row is None or row.queues is None else tuple(row.queues),
        seen_at=seen_at,
        held=tuple(held),
        hour=hour,
        state=_state(seen_at, held, hour, now),
    )


def _state(seen_at: datetime | None, held: Sequence[HeldJob], hour: WorkCounts, now: datetime) -> WorkerState:
    # A job may name a worker that never claimed one: somebody has written it.
    unseen_for = timedelta() if seen_at is None else now - seen_at
    if not held:
        return "idle" if unseen_for <= UNSEEN_AFTER else "silent" if hour.expired else "gone"
    left = min(job.lease_expires_at for job in held) - now
    # The lease began when the worker was last seen, or a few seconds later. It should send a heartbeat every
    # third of the lease, so it has missed two.
    has_missed_two = unseen_for > max(UNSEEN_AFTER, 2 * left)
    return "silent" if left < timedelta() or has_missed_two else "working"
