"""What can become of a job: the ways through its life cycle, and how often each is gone."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, NamedTuple

from orchestrator.choices import ENDED_STATUSES, JobEvent, JobStatus
from orchestrator.demo.job_kinds import FAILURES, RAISED, URGENT, Kind
from orchestrator.demo.row_values import json_text
from orchestrator.demo.vocabulary import OPERATORS, RUNNERS

#: Who the service itself is in a history.
SYSTEM: Final = "system"

_RETRY_REASONS: Final = (
    None,
    "Upstream is back",
    "Retry after the outage",
    "Fixed the input",
    "Flaky: once more",
)
_CANCEL_REASONS: Final = (
    None,
    "Duplicate",
    "No longer needed",
    "Superseded by a newer one",
    "Asked for by mistake",
)


class Gap(IntEnum):
    """What passes between a step and the one before it."""

    NOTHING = 0
    WAIT = 1
    RUN = 2
    LEASE = 3
    THOUGHT = 4


class Step(NamedTuple):
    """An event of a history, and the status the job has after it."""

    event: JobEvent
    previous: JobStatus | None
    to: JobStatus
    gap: Gap
    by: str
    reasons: Sequence[str | None] = (None,)
    more: dict[str, Any] = {}


class WrittenStep(NamedTuple):
    """A step as its rows need it: the ``endings`` are what may follow the job's id in the event's payload."""

    event: str
    gap: Gap
    endings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JobLifecycle:
    """A way through the life cycle, for one kind of job.

    Attributes:
        share: how often it happens, in any unit.
        steps: from the job's creation on.
        status: how it ends.
        ended: whether nobody works on the job any more.
        available_by: the number of the step that last made the job pending.
        started_by: the number of the step that set ``started_at``, or None where it is not set.
        attempts: leases that ran out since the job was last given a fresh start.
    """

    share: float
    steps: tuple[WrittenStep, ...]
    status: JobStatus
    ended: bool
    available_by: int
    started_by: int | None
    attempts: int


class JobLifecycles:
    """The stories of one kind of job."""

    def __init__(self, kind: Kind) -> None:
        """Write the stories of ``kind``."""
        self.finished = _finished(kind)
        self.waiting = _waiting(kind)
        self.running = _running(kind)
        #: Whether such a job may be left waiting for hours.
        self.patient = kind.priorities not in (RAISED, URGENT)


def _finished(kind: Kind) -> tuple[JobLifecycle, ...]:
    """Return the stories that came to an end, the worse the later: an outage favours the last."""
    created, started, completed, failed, lost, retried, raised, withdrawn, stopped = _steps(kind)
    out_of_attempts = lost._replace(event=JobEvent.FAILED, to=JobStatus.FAILED)
    stories = [
        _story(88, created, started, completed),
        _story(1.5, created, raised, started, completed),
        _story(1.6, created, withdrawn),
        _story(1.1, created, started, stopped),
        _story(1.8 * kind.trouble, created, started, failed, retried, started, completed),
        _story(5.0 * kind.trouble, created, started, failed),
        _story(0.5, created, *(started, lost) * (kind.max_attempts - 1), started, out_of_attempts),
    ]
    if kind.max_attempts > 1:
        stories.insert(4, _story(1.2, created, started, lost, started, completed))
    return tuple(stories)


def _waiting(kind: Kind) -> tuple[JobLifecycle, ...]:
    created, started, _, failed, lost, retried, *_ = _steps(kind)
    stories = [_story(88, created), _story(6, created, started, failed, retried)]
    if kind.max_attempts > 1:
        stories.append(_story(6, created, started, lost))
    return tuple(stories)


def _running(kind: Kind) -> tuple[JobLifecycle, ...]:
    created, started, _, failed, lost, retried, *_ = _steps(kind)
    stories = [_story(88, created, started), _story(5, created, started, failed, retried, started)]
    if kind.max_attempts > 1:
        stories.append(_story(7, created, started, lost, started))
    return tuple(stories)


def _steps(kind: Kind) -> tuple[Step, ...]:
    """Return the steps that stories of this kind are made of."""
    pending, running, failed, cancelled = (
        JobStatus.PENDING,
        JobStatus.RUNNING,
        JobStatus.FAILED,
        JobStatus.CANCELLED,
    )
    runner, operator = RUNNERS[kind.pool], "operator"
    failures = kind.failures * 2 + FAILURES[kind.pool]
    return (
        Step(JobEvent.CREATED, None, pending, Gap.NOTHING, kind.caller),
        Step(JobEvent.STARTED, pending, running, Gap.WAIT, runner),
        Step(JobEvent.COMPLETED, running, JobStatus.COMPLETED, Gap.RUN, runner),
        Step(JobEvent.FAILED, running, failed, Gap.RUN, runner, failures),
        Step(JobEvent.REQUEUED, running, pending, Gap.LEASE, SYSTEM, ("Lease expired",)),
        Step(JobEvent.REQUEUED, failed, pending, Gap.THOUGHT, operator, _RETRY_REASONS),
        Step(JobEvent.UPDATED, pending, pending, Gap.THOUGHT, operator, more={"fields": ["priority"]}),
        Step(JobEvent.CANCELLED, pending, cancelled, Gap.THOUGHT, operator, _CANCEL_REASONS),
        Step(JobEvent.CANCELLED, running, cancelled, Gap.RUN, operator, _CANCEL_REASONS),
    )


def _story(share: float, *steps: Step) -> JobLifecycle:
    status = steps[-1].to
    starts = [number for number, step in enumerate(steps) if step.to == JobStatus.RUNNING]
    pendings = [
        number
        for number, step in enumerate(steps)
        if step.to == JobStatus.PENDING and step.previous != JobStatus.PENDING
    ]
    attempts = 0
    for step in steps:
        if step.gap == Gap.LEASE:
            attempts += 1
        elif step.event == JobEvent.REQUEUED:
            attempts = 0
    return JobLifecycle(
        share=share,
        steps=tuple(WrittenStep(step.event.value, step.gap, tuple(_endings(step))) for step in steps),
        status=status,
        ended=status in ENDED_STATUSES,
        available_by=pendings[-1],
        started_by=starts[-1] if starts and status != JobStatus.PENDING else None,
        attempts=attempts,
    )


def _endings(step: Step) -> list[str]:
    """Return what follows the job's id in the step's payload, for each person and reason it may have."""
    people = OPERATORS if step.by == "operator" else (step.by,)
    return [
        json_text({"from": step.previous, "to": step.to, "by": by, "reason": reason, **step.more})[1:]
        for reason in step.reasons
        for by in people
    ]
