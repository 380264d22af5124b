"""A worker of the Kyros Praxis orchestrator: it claims jobs, does them and reports.

Put your work into `handle`, or into a function of your own, which gets a `ClaimedJob`, returns the result or
None, and raises an exception if the job failed:

    from worker import main

    main(my_function)

`KYROS_URL`, `KYROS_USERNAME` and `KYROS_PASSWORD` (or `KYROS_TOKEN`) are the service and the account. After
SIGTERM or Ctrl-C it claims no more jobs, finishes those that it has, and gives back those that take too long.
"""

import argparse
import logging
import os
import queue
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import httpx
from kyros_client import ApiError, Client, Json, may_pass, pause_seconds

logger = logging.getLogger("worker")

BAD_REQUEST, NOT_FOUND, CONFLICT, TOO_LARGE = 400, 404, 409, 413
MAX_REASON_LENGTH = 1024
#: The longest pause between two claims while no job is due.
MAX_IDLE_SECONDS = 5.0
#: So long a stopped handler may take to end, and the service to take a job back.
STOP_SECONDS = 1.0


class JobFailed(Exception):
    """Raised in a handler to fail its job for a reason. So does every other exception, with its name."""


class JobStopped(Exception):
    """Raised in a handler that should clean up and end: its work is not wanted any more."""


class ClaimedJob:
    """What a handler gets: the job, and the means to report progress and to end early."""

    def __init__(self, client: Client, data: Json, lease_seconds: int) -> None:
        self.data, self.id, self.name, self.metadata = data, data["id"], data["name"], data["metadata"]
        self.stop_reason = ""
        self._client, self._lease_seconds = client, lease_seconds
        self._progress: int | None = None
        self._stopped, self._reporting = threading.Event(), threading.Lock()

    def progress(self, percent: int) -> None:
        """Report how much of the work is done; raise `JobStopped` if the rest is not wanted."""
        if percent != self._progress:
            self._progress = percent
            self.heartbeat(progress=percent)
        self.wait(0)

    def wait(self, seconds: float) -> None:
        """Sleep; raise `JobStopped` as soon as the work is not wanted any more."""
        if self._stopped.wait(seconds):
            raise JobStopped

    def stop(self, reason: str) -> None:
        """Make the next call of `progress` or `wait`, or the current one, raise `JobStopped`."""
        self.stop_reason = self.stop_reason or reason
        self._stopped.set()

    def heartbeat(self, **fields: Any) -> None:
        """Extend the lease; stop the job if this worker does not have it any more."""
        try:
            self._client.heartbeat(self.data, lease_seconds=self._lease_seconds, **fields)
        except (ApiError, httpx.TransportError) as error:
            if isinstance(error, ApiError) and error.status in (NOT_FOUND, CONFLICT):
                self.stop(f"the job is {error.body.get('status', 'deleted')}, and not this worker's")
            else:
                logger.warning("no heartbeat of %s: %r", self.id, error)

    def may_report(self) -> bool:
        """Return whether the caller is the first to report what became of the job; later ones must not."""
        return self._reporting.acquire(blocking=False)

    def keep(self, finished: threading.Event) -> None:
        """Send a heartbeat every third of the lease, until the job is finished or stopped."""
        while not finished.wait(self._lease_seconds / 3) and not self._stopped.is_set():
            self.heartbeat()


Handler = Callable[[ClaimedJob], Json | None]


class Worker:
    """Does up to `concurrency` jobs at once, each in a thread; a second thread sends its heartbeats."""

    def __init__(  # noqa: PLR0913 - each is an option of the program
        self,
        client: Client,
        handle: Handler,
        *,
        name: str,
        queues: Sequence[str] = (),
        concurrency: int = 1,
        lease_seconds: int = 60,
        grace_seconds: float = 30.0,
    ) -> None:
        """Create a worker of the jobs in `queues`, or in all queues; see the program's options."""
        self._client, self._handle, self._name, self._queues = client, handle, name, queues
        self._concurrency, self._lease_seconds, self._grace_seconds = (
            concurrency,
            lease_seconds,
            grace_seconds,
        )
        self._running: dict[str, ClaimedJob] = {}
        self._stopping = False
        # Wakes the main loop. Unlike an Event it may be used in a signal handler.
        self._news: queue.SimpleQueue[None] = queue.SimpleQueue()

    def stop(self, *_: object) -> None:
        """Make `run` finish; may be called from any thread, and as a signal handler."""
        self._stopping = True
        self._news.put(None)

    def run(self, *, drain: bool = False) -> None:
        """Claim and do jobs until `stop` is called or, with `drain`, until no job is due.

        Raises:
            ApiError: the service refuses this worker.
        """
        attempt = 0
        try:
            while not self._stopping:
                free, failure = self._concurrency - len(self._running), None
                if not free:
                    self._wait(None)
                    continue
                try:
                    jobs = self._claim(free)
                except (ApiError, httpx.TransportError) as error:
                    if not may_pass(error):
                        raise
                    logger.warning("no claim: %r", error)
                    jobs, failure = [], error
                if drain and not (jobs or failure or self._running):
                    return
                if not jobs:
                    self._wait(
                        max(
                            getattr(failure, "retry_after", 0.0),
                            min(pause_seconds(attempt), MAX_IDLE_SECONDS),
                        )
                    )
                attempt = 0 if jobs else attempt + 1
        finally:
            self._finish()

    def _claim(self, limit: int) -> list[Json]:
        """Claim and start at most `limit` jobs; return them."""
        jobs = self._client.claim(
            self._name, queues=self._queues, limit=min(limit, 100), lease_seconds=self._lease_seconds
        )
        for data in jobs:
            job = self._running[data["id"]] = ClaimedJob(self._client, data, self._lease_seconds)
            threading.Thread(target=self._work, args=(job,), daemon=True).start()
        return jobs

    def _wait(self, seconds: float | None) -> None:
        """Wait until a job is finished, the worker is stopped, or the time is over."""
        with suppress(queue.Empty):
            self._news.get(timeout=seconds)

    def _work(self, job: ClaimedJob) -> None:
        started, finished = time.monotonic(), threading.Event()
        threading.Thread(target=job.keep, args=(finished,), daemon=True).start()
        try:
            outcome = self._do(job)
        finally:
            finished.set()
            del self._running[job.id]
            self._news.put(None)
        logger.info("%s %s %r after %.1f s", outcome, job.id, job.name, time.monotonic() - started)

    def _do(self, job: ClaimedJob) -> str:
        """Do a job and report the outcome; return it for the log."""
        fields: Json
        try:
            result = self._handle(job)
            status, fields = "completed", {} if result is None else {"result": result}
        except JobStopped:
            return f"stopped ({job.stop_reason})"
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a handler raises is why its job failed
            reason = str(error) if isinstance(error, JobFailed) else f"{type(error).__name__}: {error}"
            status, fields = "failed", {"reason": reason[:MAX_REASON_LENGTH]}
        if not job.may_report():
            return f"{status}, but given back before"
        try:
            return self._report(job, status, fields)
        except (ApiError, httpx.TransportError) as error:
            return f"{status}, but not reported ({error!r})"

    def _report(self, job: ClaimedJob, status: str, fields: Json) -> str:
        """Report a job and return the reported status: failed where the result cannot be stored."""
        try:
            self._client.report(job.data, status, **fields)
        except (ApiError, TypeError, ValueError, RecursionError) as error:
            if isinstance(error, ApiError) and error.status not in (BAD_REQUEST, TOO_LARGE):
                raise
            # A second attempt would end in the same way.
            status, reason = "failed", f"The result cannot be stored: {error}"
            self._client.report(job.data, status, reason=reason[:MAX_REASON_LENGTH])
        return status

    def _finish(self) -> None:
        """Wait for the running jobs; give back those that are not finished in time."""
        self._wait_for_jobs(self._grace_seconds)
        unfinished = list(self._running.values())
        for job in unfinished:
            job.stop("given back: the worker is stopping")
        self._wait_for_jobs(STOP_SECONDS)
        for job in unfinished:
            if not job.may_report():
                continue  # it was finished after all
            try:
                self._client.report(
                    job.data, "pending", reason="The worker was stopped", patience=STOP_SECONDS
                )
            except (ApiError, httpx.TransportError) as error:  # 409: it was lost before
                logger.warning("not given back %s: %r", job.id, error)

    def _wait_for_jobs(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._running and (left := deadline - time.monotonic()) > 0:
            self._wait(left)


def handle(job: ClaimedJob) -> Json | None:
    """Do a job and return its result. This one only waits for the `seconds` of the job's metadata."""
    seconds = float(job.metadata.get("seconds", 1))
    for percent in range(0, 100, 25):
        job.progress(percent)
        job.wait(seconds / 4)
    return {"seconds": seconds}


def main(handle: Handler = handle) -> int:
    """Run the program with the handler of all jobs; return the exit status."""
    parser = argparse.ArgumentParser(
        description="Does jobs with the account in KYROS_USERNAME and KYROS_PASSWORD."
    )
    parser.add_argument(
        "--name", default=f"{socket.gethostname()}-{os.getpid()}", help="the worker's name (%(default)s)"
    )
    parser.add_argument("--queues", nargs="+", default=[], metavar="QUEUE", help="the queues (all)")
    parser.add_argument("--concurrency", type=int, default=1, help="jobs at once (%(default)s)")
    parser.add_argument("--lease-seconds", type=int, default=60, help="5 to 3600 (%(default)s)")
    parser.add_argument(
        "--grace-seconds", type=float, default=30, help="for running jobs, once stopped (%(default)s)"
    )
    parser.add_argument("--drain", action="store_true", help="end as soon as no job is due")
    options = vars(parser.parse_args())
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    drain = options.pop("drain")
    try:
        worker = Worker(Client.from_environment(), handle, **options)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, worker.stop)
        worker.run(drain=drain)
    except (ApiError, ValueError) as error:
        logger.error("%s", error)  # noqa: TRY400 - one line says it all
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
