"""What the first page shows: asked of indexes and kept numbers only: it costs the same at any size."""

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
from orchestrator.admin.formatting import payload_text
from orchestrator.choices import JobEvent, JobStatus
from orchestrator.console import rollups
from orchestrator.console.charts import Chart, charts
from orchestrator.console.rollups import Bucket
from orchestrator.models import Event, Job

#: Jobs and failures that are listed.
LISTED: Final = 8


@dataclass(frozen=True)
class Range:
    """A stretch of time that the charts show: how many buckets of how many minutes."""

    title: str
    buckets: int
    minutes: int


RANGES: Final[Mapping[str, Range]] = MappingProxyType(
    {
        "hour": Range("Hour", 12, 5),
        "day": Range("Day", 24, 60),
        "week": Range("Week", 28, 360),
    }
)


@dataclass(frozen=True)
class Tile:
    """The jobs of one status."""

    status: JobStatus
    number: int


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A job that failed, lately."""

    job_id: UUID
    job: str
    at: datetime
    by: str
    reason: str


@dataclass(frozen=True)
class Queue:
    """The jobs that wait.

    Args:
        pending: how many.
        oldest: the one that has waited longest, or None.
        pace: jobs that ended in each second of the last hour.
        drains_in: how long the jobs that wait will take at that pace; None where nothing ends.
    """

    pending: int
    oldest: Job | None
    pace: float
    drains_in: timedelta | None

    @property
    def drains_text(self) -> str:
        """Return how long the jobs that wait will take."""
        if not self.pending:
            return "empty"
        return "at a standstill" if self.drains_in is None else human_duration(self.drains_in.total_seconds())


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """All that the first page shows of jobs and cache."""

    at: datetime
    range: str
    tiles: tuple[Tile, ...]
    total: int
    queue: Queue
    charts: tuple[Chart, ...]
    running: tuple[Job, ...]
    failures: tuple[Failure, ...]
    cache: CacheHealth

    @property
    def ranges(self) -> Mapping[str, Range]:
        """Return the stretches of time that can be chosen."""
        return RANGES


def dashboard(chosen: str) -> Dashboard:
    """Return what is to be seen now.

    Args:
        chosen: the name of a range; another text is the hour.
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
        queue=_queue(by_status[JobStatus.PENDING], last_hour, now),
        charts=charts(buckets),
        running=tuple(_in_status(JobStatus.RUNNING)[:LISTED]),
        failures=_failures(),
        cache=registry.monitored_app().cache(TimeBudget()),
    )


def _queue(pending: int, last_hour: tuple[Bucket, ...], now: datetime) -> Queue:
    ended = sum(bucket.completed + bucket.failed for bucket in last_hour)
    pace = ended / (now - last_hour[0].start).total_seconds()
    drains_in = (
        timedelta(seconds=min(pending / pace, timedelta(days=36_500).total_seconds())) if pace else None
    )
    return Queue(pending, _in_status(JobStatus.PENDING).first(), pace, drains_in)


def _in_status(status: JobStatus) -> models.QuerySet[Job]:
    """Return the jobs of a status, those first that were submitted longest ago."""
    return Job.objects.filter(status=status).order_by("created_at", "id").defer("metadata", "description")


def _failures() -> tuple[Failure, ...]:
    """Return the latest failures, those of deleted jobs included."""
    events = list(
        Event.objects.filter(type=JobEvent.FAILED, job_id__isnull=False).order_by("-created_at", "-id")[
            :LISTED
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
