"""Which rows, and changes of many rows at once."""

from datetime import datetime, timedelta
from typing import Any, Self

from django.db import models
from django.db.models import F
from django.utils import timezone


class EventQuerySet(models.QuerySet[Any]):
    """Questions asked of events."""

    def of_job(self, job_id: object) -> Self:
        """Return the history of one job, newest first."""
        return self.filter(job_id=job_id).order_by("-created_at", "-id")

    def recent(self, window: timedelta = timedelta(hours=1), now: datetime | None = None) -> Self:
        """Return the events of the last ``window``, newest first."""
        since = (now or timezone.now()) - window
        return self.filter(created_at__gte=since).order_by("-created_at", "-id")


class TaskQuerySet(models.QuerySet[Any]):
    """Questions asked of tasks, and changes that never forget the version."""

    def update(self, **values: Any) -> int:
        """Update the rows and raise each one's ``version``; return how many rows matched."""
        values.setdefault("version", F("version") + 1)
        values.setdefault("updated_at", timezone.now())
        return super().update(**values)
