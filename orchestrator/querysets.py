"""Querysets of the models: named queries, and updates of many rows."""

from datetime import datetime, timedelta
from typing import Any, Self

from django.db import models, transaction
from django.db.models import Count, F
from django.utils import timezone

from orchestrator import counts
from orchestrator.choices import JobStatus


class AtomicUpdateQuerySet(models.QuerySet[Any]):
    """A queryset whose updates run in a transaction, so that the commit hook invalidates the cache first.

    Django runs ``bulk_create``, ``bulk_update`` and ``delete`` in a transaction by itself.
    """

    def update(self, **values: Any) -> int:
        """Update the rows; return how many matched."""
        with transaction.atomic(using=self.db, savepoint=False):
            return super().update(**values)


class JobQuerySet(AtomicUpdateQuerySet):
    """Queries for jobs."""

    def counts(self) -> dict[str, int]:
        """Return the number of jobs by status, with 0 for a status that no job has.

        For all jobs this reads the kept counts; a filtered queryset is counted.
        """
        if not (self.query.where or self.query.is_sliced or self.query.distinct or self.query.combinator):
            return counts.jobs_by_status(self.db)
        counted = dict(self.order_by().values_list("status").annotate(rows=Count("pk")))
        return {status: counted.get(status, 0) for status in JobStatus.values}


class EventQuerySet(AtomicUpdateQuerySet):
    """Queries for events."""

    def of_job(self, job_id: object) -> Self:
        """Return the history of one job, newest first."""
        return self.filter(job_id=job_id).order_by("-created_at", "-id")

    def recent(self, window: timedelta = timedelta(hours=1), now: datetime | None = None) -> Self:
        """Return the events of the last ``window``, newest first."""
        since = (now or timezone.now()) - window
        return self.filter(created_at__gte=since).order_by("-created_at", "-id")


class TaskQuerySet(AtomicUpdateQuerySet):
    """Updates of tasks that raise the version."""

    def update(self, **values: Any) -> int:
        """Update the rows and raise the ``version`` of each; return how many rows matched."""
        values.setdefault("version", F("version") + 1)
        values.setdefault("updated_at", timezone.now())
        return super().update(**values)
