"""The possible lifecycles of a job, with the frequency of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, NamedTuple

from orchestrator.choices import ENDED_STATUSES, JobEvent, JobStatus
from orchestrator.demo.job_kinds import FAILURES, RAISED, URGENT, JobKind
from orchestrator.demo.row_values import json_text
from orchestrator.demo.vocabulary import OPERATORS, RUNNERS

#: The service itself, as the author of an event.
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
    "Submitted by mistake",
)


class Gap(IntEnum):
    """What takes time between a step and the one before it."""

    NOTHING = 0
    WAIT = 1
    RUN = 2
    LEASE = 3
    DECISION = 4


class Step(NamedTuple):
    """An event in a job's history, with the job's status before and after it."""

    event: JobEvent
    previous: JobStatus | None
    to: JobStatus
    gap: Gap
    by: str
    reasons: Sequence[str | None] = (None,)
    more: dict[str, Any] = {}


class WrittenStep(NamedTuple):
    """A step with ``endings``, the possible rests of the event's payload after the job's id."""

    event: str
    gap: Gap
    endings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLifecycle:
    """One possible lifecycle of a kind of job.

    Attributes:
        share: its frequency relative to other lifecycles.
        steps: the steps from the job's creation on.
        status: the last status.
        ended: whether no more work is done on the job.
        available_by: index of the step that last made the job pending.
        started_by: index of the step that set ``started_at``; None if it is not set.
        attempts: expired leases since the job's creation or its last retry by an operator.
    """

    share: float
    steps: tuple[WrittenStep, ...]
    status: JobStatus
    ended: bool
    available_by: int
    started_by: int | None
    attempts: int


class JobLifecycles:
    """The possible lifecycles of one kind of job."""

    def __init__(self, kind: JobKind) -> None:
        self.finished = _finished(kind)
        self.waiting = _waiting(kind)
        self.running = _running(kind)
        #: Whether such a job may be pending for hours.
        self.may_wait_long = kind.priorities not in (RAISED, URGENT)


def _finished(kind: JobKind) -> tuple[JobLifecycle, ...]:
    """Return the lifecycles that ended, best first. During an outage the last ones are more frequent."""
    created, started, completed, failed, lost, retried, raised, withdrawn, stopped = _steps(kind)
    out_of_attempts = lost._replace(event=JobEvent.FAILED, to=JobStatus.FAILED)
    lifecycles = [
        _lifecycle(88, created, started, completed),
        _lifecycle(1.5, created, raised, started, completed),
        _lifecycle(1.6, created, withdrawn),
        _lifecycle(1.1, created, started, stopped),
        _lifecycle(1.8 * kind.failure_factor, created, started, failed, retried, started, completed),
        _lifecycle(5.0 * kind.failure_factor, created, started, failed),
        _lifecycle(0.5, created, *(started, lost) * (kind.max_attempts - 1), started, out_of_attempts),
    ]
    if kind.max_attempts > 1:
        lifecycles.insert(4, _lifecycle(1.2, created, started, lost, started, completed))
    return tuple(lifecycles)


def _waiting(kind: JobKind) -> tuple[JobLifecycle, ...]:
    created, started, _, failed, lost, retried, *_ = _steps(kind)
    lifecycles = [_lifecycle(88, created), _lifecycle(6, created, started, failed, retried)]
    if kind.max_attempts > 1:
        lifecycles.append(_lifecycle(6, created, started, lost))
    return tuple(lifecycles)


def _running(kind: JobKind) -> tuple[JobLifecycle, ...]:
    created, started, _, failed, lost, retried, *_ = _steps(kind)
    lifecycles = [_lifecycle(88, created, started), _lifecycle(5, created, started, failed, retried, started)]
    if kind.max_attempts > 1:
        lifecycles.append(_lifecycle(7, created, started, lost, started))
    return tuple(lifecycles)


def _steps(kind: JobKind) -> tuple[Step, ...]:
    """Return the steps of which lifecycles of this kind consist."""
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
        Step(JobEvent.REQUEUED, failed, pending, Gap.DECISION, operator, _RETRY_REASONS),
        Step(JobEvent.UPDATED, pending, pending, Gap.DECISION, operator, more={"fields": ["priority"]}),
        Step(JobEvent.CANCELLED, pending, cancelled, Gap.DECISION, operator, _CANCEL_REASONS),
        Step(JobEvent.CANCELLED, running, cancelled, Gap.RUN, operator, _CANCEL_REASONS),
    )


def _lifecycle(share: float, *steps: Step) -> JobLifecycle:
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
    """Return the rest of the step's payload after the job's id, for each possible author and reason."""
    people = OPERATORS if step.by == "operator" else (step.by,)
    return [
        json_text({"from": step.previous, "to": step.to, "by": by, "reason": reason, **step.more})[1:]
        for reason in step.reasons
        for by in people
    ]
