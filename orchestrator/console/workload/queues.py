"""Figures of each queue: how many jobs wait, since when, and how fast they are done."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from orchestrator import counts
from orchestrator.choices import JobStatus
from orchestrator.console.work_rollups import WorkCounts
from orchestrator.console.workload.workers import WorkerFigures
from orchestrator.leases import waiting
from orchestrator.models import Job

#: Queues of a report, those with the most pending jobs.
MAX_QUEUES: Final = 50
#: Minutes that a due job waits, without a claim from its queue, until the queue counts as stalled.
STALLED_AFTER_MINUTES: Final = 10

_PATIENCE: Final = timedelta(minutes=STALLED_AFTER_MINUTES)
_SECONDS_AN_HOUR: Final = 3600

#: What was done, by queue and worker.
Work = Mapping[tuple[str, str], WorkCounts]
#: ``stalled``: jobs have been due for long, and no worker takes them; ``starved``: their workers have others.
QueueState = Literal["ok", "starved", "stalled"]


@dataclass(frozen=True, kw_only=True)
class QueueFigures:
    """A queue.

    Args:
        name: the queue's name.
        pending, running: exact numbers of jobs.
        scheduled: pending jobs that are not yet due, of the next ones in all queues that were counted.
        oldest_due_seconds: how long the oldest due job has waited; None if no job is due.
        hour: what happened to its jobs in the last hour.
        state: whether its jobs are taken.
    """

    name: str
    pending: int
    running: int
    scheduled: int
    oldest_due_seconds: float | None
    hour: WorkCounts
    state: QueueState

    @property
    def drain_seconds(self) -> float | None:
        """Return how long the pending jobs take at the last hour's rate; None if no job was finished."""
        if not self.hour.finished:
            return None if self.pending else 0
        return self.pending * _SECONDS_AN_HOUR / self.hour.finished


@dataclass(frozen=True, kw_only=True)
class QueueList:
    """The queues with the most pending jobs.

    Args:
        queues: at most ``MAX_QUEUES`` of them.
        number: how many queues have jobs.
        other_pending, other_running: the sums of the queues that are not listed.
        all_scheduled_counted: whether there are no more scheduled jobs than were counted.
    """

    queues: tuple[QueueFigures, ...]
    number: int
    other_pending: int
    other_running: int
    all_scheduled_counted: bool


def queue_list(
    work: Work,
    lately: Callable[[], Work],
    workers: Sequence[WorkerFigures],
    now: datetime,
) -> QueueList:
    """Return the queues with the most pending jobs.

    Args:
        work: what was done in the last hour, by queue and worker.
        lately: returns the same of the last ``STALLED_AFTER_MINUTES``; called if jobs have waited for longer.
        workers: the workers that were seen.
        now: the current time.
    """
    by_queue = counts.jobs_by_queue()
    numbers = {
        name: (_of(each, JobStatus.PENDING), _of(each, JobStatus.RUNNING)) for name, each in by_queue.items()
    }
    names = sorted(numbers, key=lambda name: (*(-number for number in numbers[name]), name))
    listed, others = names[:MAX_QUEUES], names[MAX_QUEUES:]
    oldest = waiting.oldest_due([name for name in listed if numbers[name][0]])
    scheduled, all_counted = waiting.scheduled_by_queue(now)
    overdue = {name for name, since in oldest.items() if now - since >= _PATIENCE}
    claimed = _claimed(overdue, lately(), now) if overdue else set()
    hour = _by_queue(work)
    queues = (
        QueueFigures(
            name=name,
            pending=numbers[name][0],
            running=numbers[name][1],
            scheduled=scheduled.get(name, 0),
            oldest_due_seconds=_seconds(now, oldest.get(name)),
            hour=hour[name],
            state=_state(name, workers) if name in overdue - claimed else "ok",
        )
        for name in listed
    )
    return QueueList(
        queues=tuple(queues),
        number=len(names),
        other_pending=sum(numbers[name][0] for name in others),
        other_running=sum(numbers[name][1] for name in others),
        all_scheduled_counted=all_counted,
    )


def _claimed(overdue: set[str], lately: Work, now: datetime) -> set[str]:
    """Return the queues of which a job was claimed lately."""
    claimed = {queue for (queue, _), done in lately.items() if done.started}
    unknown = overdue - claimed
    if unknown and "" in claimed:  # queues that are not among the busiest are counted together
        started = Job.objects.filter(queue__in=unknown, started_at__gte=now - _PATIENCE).order_by()
        claimed.update(started.values_list("queue", flat=True).distinct())
    return claimed


def _of(by_status: Mapping[str, int], status: JobStatus) -> int:
    return by_status.get(status, 0)


def _by_queue(work: Work) -> dict[str, WorkCounts]:
    sums: dict[str, WorkCounts] = defaultdict(WorkCounts)
    for (queue, _), done in work.items():
        sums[queue] += done
    return sums


def _seconds(now: datetime, since: datetime | None) -> float | None:
    return None if since is None else max((now - since).total_seconds(), 0.0)


def _state(name: str, workers: Sequence[WorkerFigures]) -> QueueState:
    return "starved" if any(worker.serves(name) for worker in workers) else "stalled"
