"""Findings about queues, workers and jobs: rules that read the report's own figures, and query nothing."""

from collections.abc import Iterator
from typing import Any, Final

from django.urls import reverse
from django.utils.http import urlencode

from monitoring.findings import Finding
from monitoring.formatting import human_duration, iso_timestamp
from monitoring.report_data import DatabaseReport
from orchestrator.console.workload.queues import STALLED_AFTER_MINUTES, QueueFigures
from orchestrator.console.workload.work_report import MonitoredWork
from orchestrator.console.workload.workers import WorkerFigures

#: Leases that a worker may lose in an hour.
MAX_LOST_LEASES: Final = 2
#: Findings of one kind.
_MAX_FINDINGS: Final = 5
#: Characters of a name in an id, which can be acknowledged.
_MAX_NAME: Final = 150


def stalled_queues(report: DatabaseReport) -> Iterator[Finding]:
    """Find queues with due jobs that no worker has claimed for some minutes."""
    work = _work(report)
    waiting = [queue for queue in (work.report.queues.queues if work else ()) if queue.state != "ok"]
    for queue in waiting[:_MAX_FINDINGS]:
        stalled = queue.state == "stalled"
        why = "no worker takes them" if stalled else "its workers take other jobs"
        yield Finding(
            f"queue:stalled:{queue.name}",
            "warning" if stalled else "info",
            f"Jobs of the queue {queue.name} are due, and {why}",
            _evidence(queue),
            _start_worker(queue.name),
        )


def silent_workers(report: DatabaseReport) -> Iterator[Finding]:
    """Find workers that sent nothing any more while they had jobs."""
    work = _work(report)
    silent = [worker for worker in (work.report.workers.workers if work else ()) if worker.state == "silent"]
    for worker in silent[:_MAX_FINDINGS]:
        yield Finding(
            f"worker:silent:{worker.name[:_MAX_NAME]}",
            "warning" if worker.held else "info",  # others have its jobs
            f"The worker {worker.name} fell silent while it had jobs",
            {
                "last_seen": worker.seen_at and iso_timestamp(worker.seen_at),
                "leases_lost_in_the_last_hour": worker.hour.expired,
                "jobs": [str(job.id) for job in worker.held[:_MAX_FINDINGS]],
            },
            "python manage.py requeue_expired  # others get its jobs when their leases end; then restart it."
            f" Its jobs: {_jobs_of(worker)}",
        )


def lost_leases(report: DatabaseReport) -> Iterator[Finding]:
    """Find workers that are there and lose leases again and again."""
    work = _work(report)
    workers = work.report.workers.workers if work else ()
    losing = [each for each in workers if each.hour.expired > MAX_LOST_LEASES and each.state != "silent"]
    for worker in losing[:_MAX_FINDINGS]:
        yield Finding(
            f"worker:leases:{worker.name[:_MAX_NAME]}",
            "warning",
            f"Leases of the worker {worker.name} keep running out",
            {
                "leases_lost_in_the_last_hour": worker.hour.expired,
                "completed": worker.hour.completed,
                "failed": worker.hour.failed,
            },
            "python examples/worker.py --lease-seconds 300  # or a heartbeat every third of the lease."
            f" Its jobs: {_jobs_of(worker)}",
        )


def failing_jobs(report: DatabaseReport) -> Iterator[Finding]:
    """Find jobs that failed, or whose leases ran out, several times in a day."""
    work = _work(report)
    for job in work.failing_jobs if work else ():
        yield Finding(
            f"job:failing:{job.id}",
            "warning",
            f"The job {job.name} keeps failing",
            {"failures_in_a_day": job.failures, "queue": job.queue, "status": job.status},
            f"Read its history: {reverse('admin:orchestrator_job_change', args=[job.id])}",
        )


def _work(report: DatabaseReport) -> MonitoredWork | None:
    return report.own_figures if isinstance(report.own_figures, MonitoredWork) else None


def _evidence(queue: QueueFigures) -> dict[str, Any]:
    return {
        "pending": queue.pending,
        "running": queue.running,
        "oldest_due_job_waits": human_duration(queue.oldest_due_seconds or 0),
        "minutes_without_a_claim": STALLED_AFTER_MINUTES,
    }


def _start_worker(queue: str) -> str:
    jobs = (
        f"{reverse('admin:orchestrator_job_changelist')}?{urlencode({'queue': queue, 'status': 'pending'})}"
    )
    return f"python examples/worker.py --queues={queue}  # or start one of your workers. The jobs: {jobs}"


def _jobs_of(worker: WorkerFigures) -> str:
    return f"{reverse('admin:orchestrator_job_changelist')}?{urlencode({'worker': worker.name})}"


RULES: Final = (stalled_queues, silent_workers, lost_leases, failing_jobs)
