"""The demo's workers: `python -m kyros.run.demo_workers`. They are workers of `examples/`, each in a thread.

They claim jobs over HTTP, as every worker does, and from the demo's queues only. Their account has no
password: this process issues their tokens, so no secret is in a file, an environment or an argument.
"""

import logging
import signal
import threading
from contextlib import closing, suppress
from random import Random

import django
import httpx
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone
from kyros_client import ApiError, Client, Json
from worker import ClaimedJob, JobFailed, Worker

from kyros.bootstrap import load_settings
from kyros.run.banner import service_url
from kyros.run.prepare import DEMO_ACCOUNT

load_settings()
django.setup()

# Imported here because they need the apps to be loaded.
from orchestrator.auth.tokens import issue_tokens  # noqa: E402
from orchestrator.demo import live_work  # noqa: E402
from orchestrator.demo.vocabulary import QUEUES  # noqa: E402
from orchestrator.models import User  # noqa: E402

LEASE_SECONDS = 30
#: Reports of progress of each job.
STEPS = 5
RETRY_SECONDS = 30.0
SIGNALS = (signal.SIGINT, signal.SIGTERM)

logger = logging.getLogger(__name__)
random = Random()  # noqa: S311 - what the demo does is no secret


class DemoWorker(threading.Thread):
    """A worker that starts again after an error, until it is stopped."""

    def __init__(self, number: int) -> None:
        """Create the worker with a number."""
        super().__init__(name=f"demo-{number}")
        self._stopping = threading.Event()
        self._worker: Worker | None = None

    def run(self) -> None:
        """Work until `stop` is called."""
        while not self._stopping.is_set():
            try:
                with closing(_client()) as client:
                    self._work(client)
            except (ApiError, DatabaseError, User.DoesNotExist) as error:
                logger.warning("%s cannot work: %s", self.name, error)
                self._stopping.wait(RETRY_SECONDS)

    def stop(self) -> None:
        """Give back the job that is running, and end."""
        self._stopping.set()
        if self._worker:
            self._worker.stop()

    def _work(self, client: Client) -> None:
        def handle(job: ClaimedJob) -> Json:
            return _do(client, job)

        self._worker = Worker(
            client, handle, name=self.name, queues=QUEUES, lease_seconds=LEASE_SECONDS, grace_seconds=0
        )
        if not self._stopping.is_set():
            self._worker.run()


def _client() -> Client:
    """Return a client that is signed in; the environment's proxies are not for requests to this machine."""
    try:
        tokens = issue_tokens(User.objects.get(username=DEMO_ACCOUNT))
    finally:
        connection.close()  # it is not used again
    access, refresh = tokens["access_token"], tokens["refresh_token"]
    return Client(service_url(), token=access, refresh_token=refresh, trust_env=False)


def _do(client: Client, job: ClaimedJob) -> Json:
    """Do a job, and submit the next one; however often that is repeated, it is submitted once."""
    seconds = live_work.seconds_of(random, job.data)
    for step in range(STEPS):
        job.progress(100 * step // STEPS)
        job.wait(seconds / STEPS)
    with suppress(ApiError, httpx.TransportError):
        client.submit(**live_work.next_job(random, timezone.now()), key=f"after-{job.id}")
    if failure := live_work.failure_of(random, job.data):
        raise JobFailed(failure)
    return {"processed": job.metadata.get("items", 0)}


def main() -> None:
    """Run `DEMO_WORKERS` workers until a signal arrives."""
    # The terminal of `make run` shows the banner: no line for each job, nor for each failed connection.
    for name in ("worker", "httpx"):
        logging.getLogger(name).setLevel(logging.ERROR)
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    workers = [DemoWorker(number) for number in range(1, settings.DEMO_WORKERS + 1)]
    for worker in workers:
        worker.start()
    signal.sigwait(SIGNALS)
    for worker in workers:
        worker.stop()
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    main()
