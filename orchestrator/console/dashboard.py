"""The dashboard's figures, read from indexes and stored counts only: they cost the same at any table size."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final
from uuid import UUID

from django.db import models
from django.utils import timezone

from monitoring import registry
from monitoring.cache_report import CacheHealth
from monitoring.formatting import human_duration
from monitoring.timeouts import TimeBudget
from orchestrator import counts
from orchestrator.choices import JobEvent, JobStatus
from orchestrator.console import rollups
from orchestrator.console.charts import Chart, charts
from orchestrator.console.html_formatting import payload_text
from orchestrator.console.rollups import Bucket
from orchestrator.models import Event, Job

#: Running jobs and failures that are listed.
MAX_LISTED: Final = 8

#: A hundred years: a timedelta cannot hold every quotient.
_MAX_DRAIN_SECONDS: Final = 36_500 * 86_400


@dataclass(frozen=True)
class ChartRange:
    """A time span that the charts can show: how many buckets of how many minutes."""

    title: str
    buckets: int
    minutes: int


RANGES: Final[Mapping[str, ChartRange]] = MappingProxyType(
    {
        "hour": ChartRange("Hour", 12, 5),
        "day": ChartRange("Day", 24, 60),
        "week": ChartRange("Week", 28, 360),
    }
)


@dataclass(frozen=True)
class Tile:
    """The number of jobs with a status."""

    status: JobStatus
    number: int


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A recent failure of a job; ``job`` is its name, or "" if it was deleted."""

    job_id: UUID
    job: str
    at: datetime
    by: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """The pending jobs.

    Args:
        pending: how many there are.
        oldest: the one that was created first, or None.
        per_second: jobs that completed or failed per second in the last hour.
        drains_in: the time until all are done at that rate; None if the rate is 0.
    """

    pending: int
    oldest: Job | None
    per_second: float
    drains_in: timedelta | None

    @property
    def drains_text(self) -> str:
        """Return the time until all pending jobs are done, for people."""
        if not self.pending:
            return "No pending jobs"
        if self.drains_in is None:
            return "Unknown: no job finished in the last hour"
        return human_duration(self.drains_in.total_seconds())

    @property
    def per_minute(self) -> float:
        """Return how many jobs completed or failed per minute in the last hour."""
        return self.per_second * 60


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """All figures about jobs and the cache on the dashboard."""

    at: datetime
    range: str
    tiles: tuple[Tile, ...]
    total: int
    backlog: Backlog
    charts: tuple[Chart, ...]
    running: tuple[Job, ...]
    failures: tuple[Failure, ...]
    cache: CacheHealth

    @property
    def ranges(self) -> Mapping[str, ChartRange]:
        """Return the time spans to choose from, by name."""
        return RANGES


def dashboard(chosen: str) -> Dashboard:
    """Return the current figures.

    Args:
        chosen: the name of a range; any other text means the hour.
    """
    now, chosen = timezone.now(), chosen if chosen in RANGES else "hour"
    rollups.update_rollups(now)
    by_status = counts.jobs_by_status()
    shown, hour = RANGES[chosen], RANGES["hour"]
    buckets = rollups.buckets(shown.buckets, shown.minutes, now)
    last_hour = buckets if chosen == "hour" else rollups.buckets(hour.buckets, hour.minutes, now)
    return Dashboard(
        at=now,
        range=chosen,
        tiles=tuple(Tile(JobStatus(status), number) for status, number in by_status.items()),
        total=sum(by_status.values()),
        backlog=_backlog(by_status[JobStatus.PENDING], last_hour, now),
        charts=charts(buckets),
        running=tuple(_with_status(JobStatus.RUNNING)[:MAX_LISTED]),
        failures=_failures(),
        cache=registry.monitored_app().cache(TimeBudget()),
    )


def _backlog(pending: int, last_hour: tuple[Bucket, ...], now: datetime) -> Backlog:
    finished = sum(bucket.completed + bucket.failed for bucket in last_hour)
    per_second = finished / (now - last_hour[0].start).total_seconds()
    seconds = min(pending / per_second, _MAX_DRAIN_SECONDS) if per_second else None
    return Backlog(
        pending=pending,
        oldest=_with_status(JobStatus.PENDING).first(),
        per_second=per_second,
        drains_in=None if seconds is None else timedelta(seconds=seconds),
    )


def _with_status(status: JobStatus) -> models.QuerySet[Job]:
    """Return the jobs with a status, oldest first."""
    return Job.objects.filter(status=status).order_by("created_at", "id").defer("metadata", "description")


def _failures() -> tuple[Failure, ...]:
    """Return the latest failures, including those of deleted jobs."""
    events = list(
        Event.objects.filter(type=JobEvent.FAILED, job_id__isnull=False).order_by("-created_at", "-id")[
            :MAX_LISTED
        ]
    )
    names: dict[UUID, str] = dict(
        Job.objects.filter(pk__in=[event.job_id for event in events]).values_list("pk", "name")
    )
    return tuple(
        Failure(
            job_id=event.job_id,
            job=names.get(event.job_id, ""),
            at=event.created_at,
            by=payload_text(event.payload, "by"),
            reason=payload_text(event.payload, "reason"),
        )
        for event in events
        if event.job_id is not None
    )
