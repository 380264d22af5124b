"""What must hold of every job after a soak: its history, its final row, and what the workers were told."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestrator.choices import TRANSITIONS
from tests.leases.soak_log import CONFLICT, OK, Record, is_operators

SYSTEM = "system"
FINAL = ("completed", "failed", "cancelled")
EVENT_OF = {
    "running": "job_started",
    "completed": "job_completed",
    "failed": "job_failed",
    "cancelled": "job_cancelled",
    "pending": "job_requeued",
}


@dataclass
class FinalJob:
    """A job's row at the end."""

    id: str
    status: str
    attempts: int
    max_attempts: int
    token: str | None
    result: dict[str, Any] | None


@dataclass
class HistoryEntry:
    """An event of a job."""

    type: str
    payload: dict[str, Any]


class HistoryWalk:
    """Follows a job's history and finds each step that the life cycle does not have."""

    def __init__(self, job: FinalJob) -> None:
        self.faults: list[str] = []
        self.leases_ended = 0
        self._job = job
        self._status: str | None = None
        self._attempts = 0
        self._worker: str | None = None

    def follow(self, history: Iterable[HistoryEntry]) -> "HistoryWalk":
        """Take all steps, and compare where they end with the job's row."""
        completions = 0
        for entry in history:
            self._step(entry)
            completions += entry.type == EVENT_OF["completed"]
        self._demand(self._status == self._job.status, f"it ends at {self._status}, the row is {self._job}")
        self._demand(
            self._attempts == self._job.attempts, f"it has {self._attempts} attempts, not {self._job}"
        )
        self._demand(completions == (self._job.status == "completed"), f"{completions} completions")
        return self

    def _step(self, entry: HistoryEntry) -> None:
        payload = entry.payload
        before, to, attempt = payload["from"], payload["to"], payload["attempt"]
        self._demand(before == self._status, f"{entry} follows {self._status}")
        running = "running" in (before, to)
        self._demand(attempt == (self._attempts + 1 if running else None), f"{entry} after {self._attempts}")
        if to == "running" != before:
            self._worker = payload["worker"]
        self._demand(payload["worker"] == (self._worker if running else None), f"{entry}, not {self._worker}")
        if before is None:
            self._demand((entry.type, to) == ("job_created", "pending"), f"{entry} is the first")
        elif before != to:
            self._demand(to in TRANSITIONS[before], f"{entry} is not allowed")
            self._demand(entry.type == EVENT_OF[to], f"{entry} has another type")
            self._count_attempts(payload)
        self._status = to

    def _count_attempts(self, payload: Mapping[str, Any]) -> None:
        if payload["by"] == SYSTEM:
            self.leases_ended += 1
            self._attempts += 1
            is_last = self._attempts >= self._job.max_attempts
            self._demand(
                payload["to"] == ("failed" if is_last else "pending"), f"{payload} at the last attempt"
            )
            self._demand(payload["from"] == "running", f"{payload} without a lease")
        elif payload["to"] == "pending" and payload["from"] != "running":
            self._attempts = 0

    def _demand(self, holds: bool, fault: str) -> None:  # noqa: FBT001 - as an assertion
        if not holds:
            self.faults.append(f"{self._job.id}: {fault}")


def faults_of(
    jobs: Sequence[FinalJob], histories: Mapping[str, Sequence[HistoryEntry]], records: Sequence[Record]
) -> Iterator[str]:
    """Yield what is wrong with jobs, their histories and the workers' records."""
    of_job: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if "job" in record:
            of_job[record["job"]].append(record)
    for job in jobs:
        walk = HistoryWalk(job).follow(histories.get(job.id, ()))
        yield from walk.faults
        yield from (f"{job.id}: {fault}" for fault in _record_faults(job, walk, of_job[job.id]))
        yield from (f"{job.id}: {fault}" for fault in _claim_faults(histories[job.id], of_job[job.id]))
    tokens = [record["token"] for record in records if record["kind"] == "claimed"]
    if len(tokens) != len(set(tokens)):
        yield "a token was given to two workers"


def _record_faults(job: FinalJob, walk: HistoryWalk, records: Sequence[Record]) -> Iterator[str]:
    """Yield which reports should have been accepted, or should not."""
    if job.status not in FINAL:
        yield f"it is {job.status}"
    accepted = {
        record["token"]
        for record in records
        if record["kind"] == "reported" and (record["status"], record["code"]) == ("completed", OK)
    }
    unknown = {
        each["token"] for each in records if (each["kind"], each.get("status")) == ("reporting", "completed")
    }
    if job.status == "completed":
        if not accepted <= {job.token} or job.token not in unknown:
            yield f"the completions of {accepted} were accepted, and its token is {job.token}"
        if job.result != {"token": job.token}:
            yield f"its result is {job.result}, and its token is {job.token}"
    elif accepted:
        yield f"a completion was accepted, and it is {job.status}"
    refused = {
        each["token"]
        for each in records
        if each["kind"] in ("reported", "heartbeat") and each["code"] != OK and not each.get("repeated")
    }
    if len(refused) > walk.leases_ended and not is_operators(job.id):
        yield f"{len(refused)} workers were refused, and {walk.leases_ended} leases ended"


def _claim_faults(history: Sequence[HistoryEntry], records: Sequence[Record]) -> Iterator[str]:
    """Yield the claims that the history does not have; it may have those whose responses were lost."""
    started = [
        (entry.payload["worker"], entry.payload["attempt"])
        for entry in history
        if entry.type == EVENT_OF["running"]
    ]
    for record in records:
        if record["kind"] == "claimed":
            claim = (record["worker"], record["attempts"] + 1)
            if claim not in started:
                yield f"the claim {claim} is not in its history"
            else:
                started.remove(claim)
            started_at, available_at = map(
                datetime.fromisoformat, (record["started_at"], record["available_at"])
            )
            if started_at < available_at:
                yield f"it was claimed before its time: {record}"


def late_reports(tokens: Iterable[str], records: Sequence[Record]) -> Iterator[str]:
    """Yield the reports of workers that were frozen past their lease, unless they were refused.

    Args:
        tokens: of the jobs that they had when they were frozen, and that were given back meanwhile.
        records: of all workers.
    """
    codes: dict[str, list[int]] = {token: [] for token in tokens}
    for record in records:
        # A heartbeat does not count unless it is refused: its response may have come before the freeze.
        if record.get("token") in codes and (record["kind"] == "reported" or record.get("code") == CONFLICT):
            codes[record["token"]].append(record["code"])
    for token, answers in codes.items():
        if OK in answers or not answers:
            yield f"late reports with {token} got {answers}"
