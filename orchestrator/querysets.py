"""Which rows, and changes of many rows at once."""

import sys
from datetime import datetime, timedelta
from typing import Any, Final, Self
from uuid import UUID

from django.db import connections, models, transaction
from django.db.models import Count, F, Value
from django.utils import timezone

from orchestrator import counts
from orchestrator.choices import JobStatus

#: Jobs that are found by their ids and put in order in some milliseconds.
FEW_JOBS: Final = 5000
_NO_JOB: Final = UUID(int=0)

_FIRST_SURROGATE: Final = 0xD800
_AFTER_SURROGATES: Final = 0xE000


class CoherentQuerySet(models.QuerySet[Any]):
    """Rows whose changes are each a transaction, so that the cache hears of them before they can be seen.

    Django's other changes of many rows, ``bulk_create``, ``bulk_update`` and ``delete``, are transactions
    already.
    """

    def update(self, **values: Any) -> int:
        """Update the rows; return how many matched."""
        with transaction.atomic(using=self.db, savepoint=False):
            return super().update(**values)

    def beginning_with(self, column: str, prefix: str) -> Self:
        """Return the rows whose text in a column begins with ``prefix``, case told apart, by an index range.

        Args:
            column: a column that sorts by code point.
            prefix: any text.
        """
        after = _next_text(prefix)
        return self.filter(**{f"{column}__gte": prefix} | ({f"{column}__lt": after} if after else {}))


class JobQuerySet(CoherentQuerySet):
    """Questions asked of jobs."""

    def counts(self) -> dict[str, int]:
        """Return how many of these jobs have each status, 0 where none has: of all jobs at no cost."""
        if not (self.query.where or self.query.is_sliced or self.query.distinct or self.query.combinator):
            return counts.jobs_by_status(self.db)
        counted = dict(self.order_by().values_list("status").annotate(rows=Count("pk")))
        return {status: counted.get(status, 0) for status in JobStatus.values}

    def claimable(self) -> Self:
        """Return the jobs that workers may claim, in the order they get them: urgent, then old."""
        return self.filter(status=JobStatus.PENDING).order_by("-priority", "created_at", "id")

    def lease_expired(self, now: datetime) -> Self:
        """Return the jobs whose worker has let its lease run out, longest ago first."""
        return self.filter(lease_expires_at__lt=now).order_by("lease_expires_at", "id")

    def found_by_priority(self) -> Self:
        """Return the same jobs, which SQLite then finds priority by priority.

        For a range of time in order of priority: the index begins with the priority, and only where that is
        given too can the range be found in it. PostgreSQL skips through the index by itself.
        """
        if connections[self.db].vendor != "sqlite":
            return self
        return self.filter(
            priority__in=self.model.objects.using(self.db).order_by().values("priority").distinct()
        )

    def found_since(self, column: str, moment: datetime) -> Self:
        """Return the same jobs, found among those whose ``column`` is later than ``moment`` if they are few.

        Their list is in another column's order, which an index of that order serves only by a walk past
        all others; the planners do not see how long it is, because they take the two columns for unrelated.
        """
        since = self.model.objects.using(self.db).filter(**{f"{column}__gt": moment}).order_by(column)
        few = list(since.values_list("pk", flat=True)[: FEW_JOBS + 1])
        # Where there is none, an id that no job has: an empty list would be no question to the database.
        return self if len(few) > FEW_JOBS else self.filter(pk__in=few or [_NO_JOB])


class EventQuerySet(CoherentQuerySet):
    """Questions asked of events."""

    def of_job(self, job_id: object) -> Self:
        """Return the history of one job, newest first."""
        return self.filter(job_id=job_id).order_by("-created_at", "-id")

    def recent(self, window: timedelta = timedelta(hours=1), now: datetime | None = None) -> Self:
        """Return the events of the last ``window``, newest first."""
        since = (now or timezone.now()) - window
        return self.filter(created_at__gte=since).order_by("-created_at", "-id")


class TaskQuerySet(CoherentQuerySet):
    """Questions asked of tasks, and changes that never forget the version."""

    def titled_from(self, prefix: str) -> Self:
        """Return the tasks whose title begins with ``prefix``, case told apart, by an index range."""
        return self.beginning_with("title", prefix)

    def update(self, **values: Any) -> int:
        """Update the rows and raise each one's ``version``; return how many rows matched."""
        values.setdefault("version", F("version") + 1)
        values.setdefault("updated_at", timezone.now())
        return super().update(**values)


def _next_text(prefix: str) -> str:
    """Return the first text, by code points, after all that begin with ``prefix``; nothing if none is."""
    stem = prefix.rstrip(chr(sys.maxunicode))
    if not stem:
        return ""
    following = ord(stem[-1]) + 1
    # Surrogates are no characters: no text holds one.
    return stem[:-1] + chr(_AFTER_SURROGATES if following == _FIRST_SURROGATE else following)


def count_up_to(rows: models.QuerySet[Any], most: int) -> int:
    """Return how many rows there are, or ``most`` where there are more: no others are looked at."""
    # Of the rows nothing is read, so that an index alone can tell. Django's count() would read their ids.
    return len(rows.order_by().values_list(Value(1))[:most])
