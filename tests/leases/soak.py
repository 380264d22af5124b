"""A soak of leases: workers share jobs while everything fails; no job is lost, and none is done twice.

A longer run than in the tests: ``python -m tests.leases.soak JOBS [sqlite|postgres]``.
"""

import itertools
import os
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import psutil

from tests.cache.soak import LIST
from tests.leases.soak_history import FinalJob, faults_of, late_reports
from tests.leases.soak_log import CONFLICT, OK, WorkerLogs, held_by, is_operators
from tests.leases.soak_service import SoakService
from tests.leases.soak_worker import QUEUES, PatientClient
from tests.polling import wait_until
from tests.servers.child_process import ChildProcess

WORKERS = 8
#: Jobs that are submitted between two faults, at least, and the number of faults, at most.
MIN_JOBS_A_FAULT, MAX_FAULTS = 34, 80
#: Jobs that wait or run at once, about: more are not submitted.
MAX_OPEN_JOBS = 100
BATCH = 20
TIMEOUT = 120


@dataclass
class RunningWorker:
    """A worker's process.

    Args:
        number: of its name.
        process: which runs it.
        log: its log.
        held: the jobs that it had when it was stopped, with their tokens.
    """

    number: int
    process: ChildProcess
    log: Path
    held: dict[str, str] = field(default_factory=dict)

    def is_stopped(self) -> bool:
        """Return whether SIGSTOP has reached the process."""
        return bool(psutil.Process(self.process.pid).status() == psutil.STATUS_STOPPED)


@dataclass
class SoakResult:
    """What happened in a soak, and what was wrong."""

    happened: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counted = ", ".join(f"{name}: {number}" for name, number in sorted(self.happened.items()))
        return f"{counted}; {len(self.faults)} faults, {len(self.stale)} stale, {len(self.errors)} errors"


class LeaseSoak:
    """A soak on a service.

    Args:
        service: which has no jobs yet.
        folder: for the workers' logs.
        jobs: how many are submitted.
    """

    def __init__(self, service: SoakService, folder: Path, jobs: int) -> None:
        self.result = SoakResult()
        self._service, self._folder, self._total = service, folder, jobs
        self._logs = WorkerLogs(folder)
        self._dice = random.Random(1)  # noqa: S311
        self._workers: list[RunningWorker] = []
        self._frozen: list[RunningWorker] = []
        #: The tokens of frozen workers whose leases ended.
        self._lost: list[str] = []
        self._generation = itertools.count()
        #: When each acknowledged job was created, as the service says it.
        self._submitted: dict[str, str] = {}
        self._allowed = 0
        self._stop = threading.Event()

    def run(self) -> SoakResult:
        """Submit all jobs, do them while everything fails, and check what is left."""
        self._workers = [self._start_worker(number) for number in range(WORKERS)]
        with self._in_threads(self._submit, self._operate, self._read, self._read):
            jobs_a_fault = max(MIN_JOBS_A_FAULT, self._total // MAX_FAULTS)
            for number in range(-(-self._total // jobs_a_fault)):
                wait_until(lambda: self._are_submitted(self._allowed), TIMEOUT, what="submitted jobs")
                self._allowed = min(self._total, self._allowed + jobs_a_fault)
                self._fail(number)
            wait_until(lambda: self._are_submitted(self._total), TIMEOUT, what="submitted jobs")
        self._thaw_workers(all_of_them=True)
        wait_until(lambda: self._service.open_jobs() == 0, TIMEOUT, what="end of all jobs")
        for worker in self._workers:
            worker.process.stop()
        self._logs.refresh()
        self._check()
        return self.result

    def _are_submitted(self, number: int) -> bool:
        if self.result.errors:
            raise AssertionError(self.result.errors)
        return len(self._submitted) >= number

    @contextmanager
    def _in_threads(self, *works: Callable[[PatientClient], None]) -> Iterator[None]:
        threads = [threading.Thread(target=self._guarded, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _guarded(self, work: Callable[[PatientClient], None]) -> None:
        client = self._client()
        try:
            work(client)
        except Exception as error:  # noqa: BLE001 - in a thread; the test fails with it
            self.result.errors.append(f"{work.__name__}: {error!r}")
        finally:
            client.close()

    def _client(self) -> PatientClient:
        return PatientClient(self._service.url, self._service.token)

    # --- Clients --------------------------------------------------------------------------------------------

    def _submit(self, client: PatientClient) -> None:
        """Submit jobs, in turn by batches and one by one, not faster than they are done and things fail."""
        while not self._stop.wait(0.05):
            wanted = min(BATCH, self._allowed - len(self._submitted))
            open_jobs = self._service.open_jobs()
            if wanted == 0 or open_jobs is None or open_jobs > MAX_OPEN_JOBS:
                continue
            jobs = [self._new_job() for _ in range(wanted)]
            if batch := jobs[: wanted // 2]:
                self._remember(self._create(client, f"{LIST}bulk/", {"jobs": batch})["jobs"])
            for job in jobs[wanted // 2 :]:
                self._remember([self._create(client, LIST, job)])

    def _create(self, client: PatientClient, path: str, body: dict[str, Any]) -> Any:
        status, content, *_ = client.persist("POST", path, body, **{"Idempotency-Key": str(uuid4())})
        if status not in (200, 201):
            raise AssertionError(f"POST {path}: {status} {content}")
        return content

    def _remember(self, jobs: list[dict[str, Any]]) -> None:
        self._submitted |= {job["id"]: job["created_at"] for job in jobs}

    def _new_job(self) -> dict[str, Any]:
        dice = self._dice
        job: dict[str, Any] = {"name": "soak", "queue": dice.choice(QUEUES), "priority": dice.randint(0, 3)}
        if dice.random() < 0.1:
            at = datetime.now(UTC) + timedelta(seconds=dice.uniform(0, 3))
            job["available_at"] = at.isoformat()
        if dice.random() < 0.1:
            job["max_attempts"] = 1
        return job

    def _operate(self, client: PatientClient) -> None:
        """Cancel, requeue and change some of the operator's jobs."""
        dice = random.Random(2)  # noqa: S311
        while not self._stop.wait(0.1):
            mine = [job for job in list(self._submitted)[-MAX_OPEN_JOBS:] if is_operators(job)]
            if not mine:
                continue
            job, status = dice.choice(mine), dice.choice(("cancelled", "pending", "pending", "priority"))
            if status == "priority":
                code, content, *_ = client.persist("PATCH", f"{LIST}{job}/", {"priority": dice.randint(0, 9)})
            else:
                code, content, *_ = client.persist("PUT", f"{LIST}{job}/status/", {"status": status})
            self.result.happened[f"operator: {status} {code}"] += 1
            if code not in (200, 409):
                self.result.errors.append(f"{status}: {code} {content}")

    def _read(self, client: PatientClient) -> None:
        """Read lists, jobs and counts, and compare them with what was acknowledged before."""
        dice = random.Random()  # noqa: S311
        while not self._stop.wait(0.03):
            self._logs.refresh()
            done, submitted = list(self._logs.completed), dict(self._submitted)
            if not done:
                continue
            match dice.choice(("list", "list", "list", "job", "counts")):
                case "list":
                    status = dice.choice(("pending", "running", "completed"))
                    self._check_list(client, status, set(done), submitted)
                case "job":
                    job = dice.choice(done[-50:])
                    content = self._get(client, f"{LIST}{job}/")
                    if content["status"] != "completed":
                        self.result.stale.append(f"{job} is completed, but {content}")
                case "counts":
                    content = self._get(client, f"{LIST}counts/")
                    if content["counts"]["completed"] < len(done) or content["total"] < len(submitted):
                        self.result.stale.append(f"{len(done)} of {len(submitted)} are completed: {content}")

    def _check_list(
        self, client: PatientClient, status: str, done: set[str], submitted: dict[str, str]
    ) -> None:
        page = self._get(client, f"{LIST}?status={status}")
        shown = {job["id"] for job in page["results"]}
        if status != "completed":
            if wrong := shown & done:
                self.result.stale.append(f"{wrong} are completed, but in the list of {status} jobs")
            return
        last = page["results"][-1]["created_at"] if page["next"] else ""
        if missing := {job for job in done if submitted.get(job, "") > last} - shown:
            self.result.stale.append(f"{missing} are missing among the completed jobs")

    def _get(self, client: PatientClient, path: str) -> Any:
        status, content, _, cache = client.persist("GET", path)
        if status != OK:
            raise AssertionError(f"GET {path}: {status} {content}")
        self.result.happened[f"reads: {cache}"] += 1
        return content

    # --- Faults ---------------------------------------------------------------------------------------------

    def _fail(self, number: int) -> None:
        """Cause the next fault, and let workers go on whose leases have ended."""
        faults = (
            # A run of the tests has these:
            self._freeze_worker,
            self._kill_worker,
            self._freeze_worker,
            self._kill_worker,
            self._restart_cache,
            self._crash_database,
            # and a longer one these, too:
            self._kill_worker,
            self._kill_web_workers,
            self._freeze_worker,
            self._restart_database,
        )
        fault = faults[number % len(faults)]
        fault()
        self.result.happened[fault.__name__.strip("_")] += 1
        self._thaw_workers()

    def _start_worker(self, number: int) -> RunningWorker:
        generation = next(self._generation)
        log = self._folder / f"{generation}.jsonl"
        program = ("-m", "tests.leases.soak_worker", self._service.url, self._service.token)
        process = self._service.start(f"worker{generation}.log", *program, f"w{number}", log, str(generation))
        return RunningWorker(number, process, log)

    def _kill_worker(self) -> None:
        """Kill a worker that has jobs, and start one with the same name."""
        worker = self._stopped_worker()
        worker.process.kill()
        self._workers.append(self._start_worker(worker.number))

    def _freeze_worker(self) -> None:
        self._frozen.append(self._stopped_worker())

    def _stopped_worker(self) -> RunningWorker:
        """Stop a worker that has jobs, and take it from the list."""
        return cast("RunningWorker", wait_until(self._stop_one, TIMEOUT, what="worker with jobs"))

    def _stop_one(self) -> RunningWorker | None:
        worker = self._dice.choice(self._workers)
        worker.process.freeze()
        wait_until(worker.is_stopped, what="stop of a worker")
        worker.held = held_by(worker.log)
        if worker.held:
            self._workers.remove(worker)
            return worker
        worker.process.thaw()
        return None

    def _thaw_workers(self, *, all_of_them: bool = False) -> None:
        """Let the frozen workers go on whose jobs nobody holds any more, or another worker."""
        for worker in list(self._frozen):
            if all_of_them:
                wait_until(partial(self._has_lost_all, worker), TIMEOUT, what="end of a lease")
            if self._has_lost_all(worker):
                self._frozen.remove(worker)
                self._workers.append(worker)
                self._lost += worker.held.values()
                worker.process.thaw()

    def _has_lost_all(self, worker: RunningWorker) -> bool:
        return not self._service.is_leased(worker.held.values())

    def _restart_cache(self) -> None:
        self._service.cache.kill()
        self._stop.wait(0.5)
        self._service.cache.restart()

    def _crash_database(self) -> None:
        self._service.restart_database(crash=True)

    def _restart_database(self) -> None:
        self._service.restart_database(crash=False)

    def _kill_web_workers(self) -> None:
        self._service.kill_web_workers()

    # --- The end --------------------------------------------------------------------------------------------

    def _check(self) -> None:
        result, service = self.result, self._service
        records = self._logs.records
        result.errors += [each["text"] for each in records if each["kind"] == "error"]
        result.stale += [each["text"] for each in records if each["kind"] == "stale"]
        jobs, histories = service.jobs(), service.histories()
        result.faults += faults_of(jobs, histories, records)
        result.faults += late_reports(self._lost, records)
        self._check_counts(jobs)
        result.happened.update(f"status: {job.status}" for job in jobs)
        result.happened.update(entry.type for history in histories.values() for entry in history)
        result.happened["refused with 409"] = sum(each.get("code") == CONFLICT for each in records)
        by_system = (e.payload["by"] == "system" for history in histories.values() for e in history)
        result.happened["leases that ran out"] = sum(by_system)

    def _check_counts(self, jobs: list[FinalJob]) -> None:
        if {job.id for job in jobs} != set(self._submitted) or len(jobs) != self._total:
            self.result.faults.append(f"{len(jobs)} jobs, {len(self._submitted)} submitted of {self._total}")
        counted = Counter(job.status for job in jobs)
        client = self._client()
        shown = self._get(client, f"{LIST}counts/")
        client.close()
        if +Counter(shown["counts"]) != counted or shown["total"] != len(jobs):
            self.result.faults.append(f"the counts are {shown}, the jobs {counted}")
        for row in self._service.verified_counts():
            if row["kept"] != row["counted"]:
                self.result.faults.append(f"table_stats --verify: {row}")


def main(jobs: str = "5000", engine: str = "sqlite") -> int:
    """Run the soak test with so many jobs."""
    command = [sys.executable, "-m", "pytest", "tests/leases/test_soak.py", "-s", "--engine", engine]
    return subprocess.run(command, env={**os.environ, "LEASE_SOAK_JOBS": jobs}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
