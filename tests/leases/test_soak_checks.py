"""The checks of the soak find every kind of fault."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.leases.soak_history import FinalJob, HistoryEntry, faults_of, late_reports
from tests.leases.soak_log import Record

pytestmark = pytest.mark.engine_neutral

JOB = "01a22182-0a4b-7519-8baf-bbff17a87386"
FIRST, SECOND = "the first worker's token", "the second worker's token"
TIMES = {"started_at": "2026-11-28T10:00:01Z", "available_at": "2026-11-28T10:00:00.5Z"}


class Soak:
    """A job whose first worker lost its lease, and whose second completed it."""

    def __init__(self) -> None:
        self.job = FinalJob(JOB, "completed", 1, 3, SECOND, {"token": SECOND})
        self.history = [
            entry("job_created", None, "pending"),
            entry("job_started", "pending", "running", worker="a", attempt=1),
            entry("job_progress", "running", "running", worker="a", attempt=1),
            entry("job_requeued", "running", "pending", worker="a", attempt=1, by="system"),
            entry("job_started", "pending", "running", worker="b", attempt=2),
            entry("job_completed", "running", "completed", worker="b", attempt=2),
        ]
        self.records = [
            record("claimed", FIRST, worker="a", attempts=0, **TIMES),
            record("claimed", SECOND, worker="b", attempts=1, **TIMES),
            record("reporting", FIRST, status="completed"),
            record("reported", FIRST, status="completed", code=409, repeated=False),
            record("reporting", SECOND, status="completed"),
            record("reported", SECOND, status="completed", code=200, repeated=False),
        ]

    def faults(self) -> list[str]:
        return [
            *faults_of([self.job], {JOB: self.history}, self.records),
            *late_reports([FIRST], self.records),
        ]


def entry(kind: str, before: str | None, to: str, **payload: Any) -> HistoryEntry:
    return HistoryEntry(
        kind, {"from": before, "to": to, "by": "user", "worker": None, "attempt": None, **payload}
    )


def record(kind: str, token: str, **members: Any) -> Record:
    return {"kind": kind, "job": JOB, "token": token, **members}


FAULTS: dict[str, Callable[[Soak], object]] = {
    "a late report is accepted": lambda soak: soak.records[3].update(code=200),
    "a late report has no response": lambda soak: soak.records.pop(3),
    "an accepted report changes nothing": lambda soak: soak.history.pop(),
    "a job is completed twice": lambda soak: soak.history.append(copy.deepcopy(soak.history[-1])),
    "a job is lost": lambda soak: setattr(soak.job, "status", "running"),
    "an event is lost": lambda soak: soak.history.pop(1),
    "an event is written twice": lambda soak: soak.history.insert(1, copy.deepcopy(soak.history[1])),
    "a lease that ran out is not counted": lambda soak: setattr(soak.job, "attempts", 0),
    "a job is requeued after its last attempt": lambda soak: setattr(soak.job, "max_attempts", 1),
    "an event names another worker": lambda soak: soak.history[2].payload.update(worker="b"),
    "an event names another attempt": lambda soak: soak.history[5].payload.update(attempt=1),
    "an event has another type": lambda soak: setattr(soak.history[3], "type", "job_cancelled"),
    "the result is another worker's": lambda soak: setattr(soak.job, "result", {"token": FIRST}),
    "the job keeps another token": lambda soak: setattr(soak.job, "token", FIRST),
    "two workers have one token": lambda soak: soak.records[1].update(token=FIRST),
    "two workers have one job": lambda soak: soak.records[1].update(attempts=0),
    "a job is claimed before its time": lambda soak: soak.records[0].update(
        available_at="2026-11-28T10:00:01.5Z"
    ),
    "a worker loses its job without a reason": lambda soak: soak.records.append(
        record("heartbeat", SECOND, code=409)
    ),
}


def test_a_correct_soak_has_no_fault() -> None:
    assert Soak().faults() == []


def test_every_fault_is_found() -> None:
    for name, break_it in FAULTS.items():
        soak = Soak()
        break_it(soak)
        assert soak.faults() != [], name
