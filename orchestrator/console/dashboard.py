"""The dashboard's figures, read from indexes and stored counts only: they cost the same at any table size."""

from typing import Any, Final

from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone

from monitoring import registry
from monitoring.formatting import human_duration
from monitoring.timeouts import TimeBudget
from orchestrator import counts
from orchestrator.choices import JobEvent, JobStatus
from orchestrator.console import rollups
from orchestrator.console.charts import charts
from orchestrator.console.workload import work_report
from orchestrator.models import Event, Job

#: Running jobs and failures that are listed.
MAX_LISTED: Final = 8

#: The charts' time ranges: how many buckets of how many minutes.
RANGES: Final = {"hour": (12, 5), "day": (24, 60), "week": (28, 360)}


def dashboard(chosen: str) -> dict[str, Any]:
    """Return the current figures about jobs and the cache, as the templates show them.

    Args:
        chosen: the name of a range; any other text means the hour.
    """
    now, chosen = timezone.now(), chosen if chosen in RANGES else "hour"
    rollups.update_rollups(now)
    by_status = {JobStatus(status): number for status, number in counts.jobs_by_status().items()}
    hour = rollups.buckets(*RANGES["hour"], now)
    ended = sum(bucket.completed + bucket.failed for bucket in hour)
    per_second = ended / (now - hour[0].start).total_seconds()
    return {
        "range": chosen,
        "ranges": list(RANGES),
        "by_status": by_status,
        "total": sum(by_status.values()),
        "charts": charts(hour if chosen == "hour" else rollups.buckets(*RANGES[chosen], now)),
        "oldest_pending": _with_status(JobStatus.PENDING).first(),
        "per_minute": per_second * 60,
        "time_to_drain": _time_to_drain(by_status[JobStatus.PENDING], per_second),
        "work": work_report(),
        "running": _with_status(JobStatus.RUNNING)[:MAX_LISTED],
        "failures": _failures()[:MAX_LISTED],
        "cache": registry.monitored_app().cache(TimeBudget()),
    }


def _time_to_drain(pending: int, per_second: float) -> str:
    if not pending:
        return "No pending jobs"
    if not per_second:
        return "Unknown: no job finished in the last hour"
    return human_duration(pending / per_second)


def _with_status(status: JobStatus) -> QuerySet[Job]:
    """Return the jobs with a status, oldest first."""
    return Job.objects.filter(status=status).order_by("created_at", "id").defer("metadata", "description")


def _failures() -> QuerySet[Event]:
    """Return the failures of jobs, newest first, with the job's name; None if it was deleted."""
    name = Job.objects.filter(pk=OuterRef("job_id")).values("name")
    failures: QuerySet[Event] = Event.objects.filter(type=JobEvent.FAILED, job_id__isnull=False)
    return failures.order_by("-created_at", "-id").annotate(job_name=Subquery(name))
