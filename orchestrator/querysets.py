"""Querysets of the models: named queries, and updates of many rows."""

from datetime import datetime, timedelta
from typing import Any, Self

from django.db import models, transaction
from django.db.models import F
from django.utils import timezone


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

    def expired(self, now: datetime) -> Self:
        """Return the jobs whose lease has run out, the longest first.

        A job that is not running has a lease only if somebody changed its status by hand.
        """
        return self.filter(lease_expires_at__lte=now).order_by("lease_expires_at")

    def under_lease(self) -> Self:
        """Return the jobs that a worker has, those first whose lease ends first."""
        return self.filter(lease_expires_at__isnull=False).order_by("lease_expires_at")


class EventQuerySet(AtomicUpdateQuerySet):
    """Queries for events."""

    def of_job(self, job_id: object) -> Self:
        """Return the history of one job, newest first."""
        return self.filter(job_id=job_id).order_by("-created_at", "-id")

    def recent(self) -> Self:
        """Return the events of the last hour, newest first."""
        since = timezone.now() - timedelta(hours=1)
        return self.filter(created_at__gte=since).order_by("-created_at", "-id")


class TaskQuerySet(AtomicUpdateQuerySet):
    """Updates of tasks that raise the version."""

    def update(self, **values: Any) -> int:
        """Update the rows and raise the ``version`` of each; return how many rows matched."""
        values.setdefault("version", F("version") + 1)
        values.setdefault("updated_at", timezone.now())
        return super().update(**values)
