"""Which rows, and changes of many rows at once."""

import sys
from datetime import datetime, timedelta
from typing import Any, Final, Self

from django.db import connections, models, transaction
from django.db.models import Count, F, Value
from django.db.models.lookups import GreaterThanOrEqual, LessThan
from django.utils import timezone

from orchestrator import counts
from orchestrator.choices import JobStatus
from orchestrator.expressions import Unindexed
from orchestrator.splits import Split

#: Tasks that are found by their titles and put in order in some milliseconds.
FEW_TASKS: Final = 2000

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

    #: How their pages are found in parts, where one index does not give them.
    split: Split | None = None

    def counts(self) -> dict[str, int]:
        """Return how many of these jobs have each status, 0 where none has: of all jobs at no cost."""
        if not (self.query.where or self.query.is_sliced or self.query.distinct or self.query.combinator):
            return counts.jobs_by_status(self.db)
        counted = dict(self.order_by().values_list("status").annotate(rows=Count("pk")))
        return {status: counted.get(status, 0) for status in JobStatus.values}

    def split_by(self, split: Split) -> Self:
        """Return the same jobs, whose pages are found in parts.

        Args:
            split: all conditions of these jobs.
        """
        jobs = self.all()
        jobs.split = split
        return jobs

    def _clone(self) -> Self:
        jobs: Self = super()._clone()  # type: ignore[misc]
        jobs.split = self.split
        return jobs


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

    def titled_from_by_age(self, prefix: str) -> Self:
        """Return the same tasks, for an order of creation.

        Where they are many, a walk in that order soon comes upon a page of them; where they are few, they are
        found and put in order. PostgreSQL knows how many they are, SQLite takes them for few.
        """
        titled = self.titled_from(prefix)
        if connections[self.db].vendor != "sqlite" or not titled.are_more_than(FEW_TASKS):
            return titled
        title, after = Unindexed("title"), _next_text(prefix)
        tasks = self.filter(GreaterThanOrEqual(title, prefix))
        return tasks.filter(LessThan(title, after)) if after else tasks

    def are_more_than(self, number: int) -> bool:
        """Tell whether there are more than a number of rows; no others are looked at."""
        return bool(self.order_by().values_list(Value(1))[number : number + 1])

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
