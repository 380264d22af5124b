"""A job's attempts, derived from its history."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from orchestrator.choices import EVENT_OF_STATUS, JobEvent, JobStatus
from orchestrator.leases.expiry import SYSTEM
from orchestrator.models import Event

#: Changes of status that are read, the newest.
_MAX_READ: Final = 100

_OUTCOMES: Final = {
    JobEvent.COMPLETED: "completed",
    JobEvent.FAILED: "failed",
    JobEvent.CANCELLED: "cancelled",
    JobEvent.REQUEUED: "given back",
}


@dataclass(frozen=True)
class Attempt:
    """One attempt to do a job.

    Args:
        number: the attempt's number, as the history has it; None for one that no worker made.
        worker: the worker; "" if no worker claimed the job.
        started_at: when it began; None if that event is not in the history any more.
        ended_at: when it ended; None if it has not.
        outcome: how it ended, "lease expired" among others; "running" if it has not ended.
        reason: why it ended so; "" if the history does not say.
    """

    number: int | None
    worker: str
    started_at: datetime | None
    ended_at: datetime | None
    outcome: str
    reason: str

    @property
    def seconds(self) -> float | None:
        """Return how long it took; None if it has not ended, or its begin is not known."""
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds()


def attempts_of(job_id: UUID) -> tuple[Attempt, ...]:
    """Return a job's attempts, the newest first."""
    history = Event.objects.of_job(job_id).filter(type__in=[*EVENT_OF_STATUS.values()])[:_MAX_READ]
    return tuple(reversed(list(_attempts(reversed(history)))))


def _attempts(history: Iterable[Event]) -> Iterable[Attempt]:
    """Yield the attempts in a history that is in order of time."""
    started: Event | None = None
    for event in history:
        if event.type == JobEvent.STARTED:
            if started is not None:  # its end is missing
                yield _attempt(started, None)
            started = event
        elif _member(event, "from") == JobStatus.RUNNING:
            yield _attempt(started, event)
            started = None
    if started is not None:
        yield _attempt(started, None)


def _attempt(started: Event | None, ended: Event | None) -> Attempt:
    known = ended or started
    return Attempt(
        number=_member(known, "attempt"),
        worker=_member(started, "worker") or _member(ended, "worker") or "",
        started_at=None if started is None else started.created_at,
        ended_at=None if ended is None else ended.created_at,
        outcome=_outcome(ended),
        reason=_member(ended, "reason") or "",
    )


def _outcome(ended: Event | None) -> str:
    if ended is None:
        return "running"
    if _member(ended, "by") == SYSTEM:
        return "lease expired"
    return _OUTCOMES[JobEvent(ended.type)]


def _member(event: Event | None, name: str) -> Any:
    return event.payload.get(name) if event is not None and isinstance(event.payload, dict) else None
