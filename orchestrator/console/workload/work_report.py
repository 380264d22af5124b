"""The report of queues and workers."""

from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from orchestrator.console import cached_figures, rollups
from orchestrator.console.cached_figures import Limits
from orchestrator.console.work_rollups import WorkCounts, work_ever, work_since
from orchestrator.console.workload.failing_jobs import FailingJob, failing_jobs
from orchestrator.console.workload.queues import STALLED_AFTER_MINUTES, QueueList, Work, queue_list
from orchestrator.console.workload.workers import WorkerList, worker_list


@dataclass(frozen=True)
class WorkReport:
    """The queues and the workers at one time."""

    at: datetime
    queues: QueueList
    workers: WorkerList


@dataclass(frozen=True)
class MonitoredWork:
    """What the monitoring needs: the report, the jobs that keep failing, and sums that never decrease."""

    report: WorkReport
    failing_jobs: tuple[FailingJob, ...]
    ever: WorkCounts


def work_report(limits: Limits = nullcontext) -> WorkReport:
    """Return the queues and the workers. Its cost depends on their number, not on that of the jobs.

    Args:
        limits: opens a context in which the database is queried.
    """
    return cached_figures.figures("work", WorkReport, _work_report, limits)


def _work_report() -> WorkReport:
    now = timezone.now()
    first_unstored = rollups.first_unstored(now)
    hour = work_since(now - timedelta(hours=1), now, first_unstored)
    workers = worker_list(hour, now)

    def lately() -> Work:
        return work_since(now - timedelta(minutes=STALLED_AFTER_MINUTES), now, first_unstored)

    return WorkReport(now, queue_list(hour, lately, workers.workers, now), workers)


def monitored_work(limits: Limits = nullcontext) -> MonitoredWork:
    """Return the figures for metrics and findings.

    Args:
        limits: opens a context in which the database is queried.
    """
    report = work_report(limits)
    failing = cached_figures.figures(
        "failing_jobs", tuple[FailingJob, ...], lambda: failing_jobs(timezone.now()), limits
    )
    with limits():
        return MonitoredWork(report, failing, work_ever())
