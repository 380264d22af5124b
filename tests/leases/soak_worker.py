"""A worker for the soak test of leases: claims, sends heartbeats, reports, and logs what was accepted.

Run by the test: ``python -m tests.leases.soak_worker URL TOKEN NAME LOG SEED``. A line of the log is a JSON
object. It is written before a report is sent and after its response, so that a kill leaves at most one report
of which nobody knows whether it was accepted.
"""

import http.client
import json
import os
import random
import signal
import sys
import threading
import time
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from tests.cache.soak import LIST, Client
from tests.leases.soak_log import CONFLICT, OK, is_operators

QUEUES = ("alpha", "beta", "gamma")
#: The shortest lease that the service grants.
LEASE_SECONDS = 5
MAX_WORK_SECONDS = 0.1
RETRY_SECONDS = 0.1
SERVER_ERROR = 500


class Answered(NamedTuple):
    """A response that is not a server error.

    Args:
        status: its status.
        content: its parsed body.
        repeated: whether an earlier request may have been carried out.
        cache: its header ``X-Cache``.
    """

    status: int
    content: Any
    repeated: bool
    cache: str | None


class PatientClient(Client):
    """A client that repeats a request until it gets a response that is not a server error."""

    def persist(self, method: str, path: str, body: Any = None, **headers: str) -> Answered:
        """Send a request until the service responds to it."""
        for attempt in count():
            try:
                status, found, content = self.send(method, path, body, **headers)
                if status < SERVER_ERROR:
                    return Answered(status, json.loads(content), attempt > 0, found["X-Cache"])
            except (OSError, http.client.HTTPException):
                self.close()
            time.sleep(RETRY_SECONDS)
        raise AssertionError


class SoakWorker:
    """Does jobs until SIGTERM.

    Args:
        client: signed in as a user.
        name: the worker's name.
        log: file that its log is appended to.
        dice: decides what it does with each job.
    """

    def __init__(self, client: PatientClient, name: str, log: Path, dice: random.Random) -> None:
        self._client, self._name, self._dice = client, name, dice
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._stop = threading.Event()
        self._lease_ends = 0.0

    def run(self) -> None:
        """Claim and work."""
        signal.signal(signal.SIGTERM, lambda *_: self._stop.set())
        while not self._stop.is_set():
            for job in self._claim() or [None]:
                if job is None:
                    self._stop.wait(0.1)
                else:
                    self._work(job)

    def _claim(self) -> list[dict[str, Any]]:
        body: dict[str, Any] = {"worker": self._name, "lease_seconds": LEASE_SECONDS}
        body["limit"] = self._dice.randint(1, 5)
        if number := self._dice.randint(0, 2):
            body["queues"] = self._dice.sample(QUEUES, number)
        sent_at = time.monotonic()
        status, content, *_ = self._client.persist("POST", f"{LIST}claim/", body)
        if status != OK:
            self._write("error", text=f"claim: {status} {content}")
            return []
        jobs: list[dict[str, Any]] = content["jobs"]
        self._lease_ends = sent_at + LEASE_SECONDS
        self._lease_of = dict.fromkeys((job["id"] for job in jobs), self._lease_ends)
        for job in jobs:
            members = {name: job[name] for name in ("attempts", "started_at", "available_at", "queue")}
            self._write("claimed", job, **members)
            if job["queue"] not in body.get("queues", QUEUES) or job["worker"] != self._name:
                self._write("error", text=f"{job} was claimed with {body}")
        return jobs

    def _work(self, job: dict[str, Any]) -> None:
        for _ in range(self._dice.choice((0, 0, 1, 2))):
            self._stop.wait(self._dice.uniform(0, MAX_WORK_SECONDS))
            if not self._heartbeat(job):
                return
        self._stop.wait(self._dice.uniform(0, MAX_WORK_SECONDS))
        if self._dice.random() < 0.1:
            self._check(job, "running")
        if self._dice.random() < 0.05:
            self._report_with_token_of_nobody(job)
        outcome = self._dice.choices(("completed", "failed", "pending"), (92, 4, 4))[0]
        if self._report(job, outcome) and outcome == "completed":
            if self._dice.random() < 0.1:
                self._report(job, outcome)  # as if the response had been lost
            if self._dice.random() < 0.2:
                self._check(job, "completed")

    def _heartbeat(self, job: dict[str, Any]) -> bool:
        sent_at = time.monotonic()
        body = {"lease_token": job["lease_token"], "lease_seconds": LEASE_SECONDS}
        body["progress"] = self._dice.randint(0, 100)
        status, content, *_ = self._client.persist("POST", f"{LIST}{job['id']}/heartbeat/", body)
        self._write("heartbeat", job, code=status, text=str(content)[:200])
        if status == OK:
            self._lease_of[job["id"]] = sent_at + LEASE_SECONDS
        return status == OK

    def _report(self, job: dict[str, Any], status: str) -> bool:
        body: dict[str, Any] = {"status": status, "lease_token": job["lease_token"]}
        body |= (
            {"result": {"token": job["lease_token"]}} if status == "completed" else {"reason": "by chance"}
        )
        self._write("reporting", job, status=status)
        code, content, repeated, _ = self._client.persist("PUT", f"{LIST}{job['id']}/status/", body)
        self._write("reported", job, status=status, code=code, repeated=repeated, text=str(content)[:200])
        return code == OK

    def _report_with_token_of_nobody(self, job: dict[str, Any]) -> None:
        body = {"status": "failed", "lease_token": str(uuid4())}
        status, content, *_ = self._client.persist("PUT", f"{LIST}{job['id']}/status/", body)
        if status != CONFLICT:
            self._write("error", text=f"a report with a token of nobody: {status} {content}")

    def _check(self, job: dict[str, Any], expected: str) -> None:
        """Read a job that only this worker may have changed, and compare its status."""
        _, content, *_ = self._client.persist("GET", f"{LIST}{job['id']}/")
        if is_operators(job["id"]):
            return
        if expected == "running" and time.monotonic() >= self._lease_of[job["id"]]:
            return  # somebody else may have it by now
        if (content["status"], content["worker"]) != (expected, self._name):
            self._write("stale", text=f"{expected} by {self._name} was acknowledged, then read: {content}")

    def _write(self, kind: str, job: dict[str, Any] | None = None, **members: Any) -> None:
        of_job = {"job": job["id"], "token": job["lease_token"]} if job else {}
        record = {"kind": kind, "worker": self._name, "at": time.time(), **of_job, **members}
        os.write(self._log, json.dumps(record).encode() + b"\n")


if __name__ == "__main__":
    url, token, name, log, seed = sys.argv[1:]
    SoakWorker(PatientClient(url, token), name, Path(log), random.Random(seed)).run()  # noqa: S311
