"""Workers: those that had jobs on the last day of the data."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from orchestrator.choices import JobStatus
from orchestrator.leases.contacts import KEPT_FOR
from orchestrator.models import Job, Worker


class SeenWorkers:
    """Collects the workers of jobs, and when they were first and last seen."""

    def __init__(self) -> None:
        self._workers: Final[dict[str, Worker]] = {}
        self._working: Final[set[str]] = set()

    def add(self, jobs: Iterable[Job]) -> None:
        """Add the workers of some jobs."""
        for job in jobs:
            if job.worker and job.started_at:
                worker = self._workers.setdefault(
                    job.worker,
                    Worker(
                        name=job.worker,
                        queues=[job.queue],
                        first_seen_at=job.started_at,
                        seen_at=job.updated_at,
                    ),
                )
                worker.first_seen_at = min(worker.first_seen_at, job.started_at)
                worker.seen_at = max(worker.seen_at, job.updated_at)
                if job.status == JobStatus.RUNNING:
                    self._working.add(job.worker)

    def save(self, until: datetime, using: str) -> None:
        """Store those that were seen on the day before ``until``, unless a worker has the name already.

        A worker that has a job has just sent a heartbeat.
        """
        for name in self._working:
            self._workers[name].seen_at = until
        kept = [worker for worker in self._workers.values() if worker.seen_at >= until - KEPT_FOR]
        Worker.objects.using(using).bulk_create(kept, ignore_conflicts=True)
