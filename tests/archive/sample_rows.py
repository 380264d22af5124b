"""Rows for the tests of the archive, and what tables and files have."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from orchestrator import archive
from orchestrator.archive import row_sql
from orchestrator.archive.parquet_files import rows_of
from orchestrator.archive.row_sql import TABLES, Row
from orchestrator.choices import ENDED_STATUSES, STARTED_STATUSES, ArchiveState, JobStatus
from orchestrator.db import rows as db_rows
from orchestrator.db.ids import new_id
from orchestrator.models import Event, Job

OLD = timedelta(days=400)
#: JSON and text that are easily changed on their way.
PAYLOAD = {"z": 1, "a": [1e308, -0.0, 2**70, None, True], "text": '\u00e4\U0001f600 "quoted" \\ \''}


def job(status: JobStatus, age: timedelta = OLD, **values: Any) -> Job:
    """Return an unsaved job that was created, started and ended some time ago."""
    at = timezone.now() - age
    return Job(
        name=f"{status} job",
        status=status,
        metadata=PAYLOAD,
        created_at=at,
        updated_at=at,
        available_at=at,
        started_at=at if status in STARTED_STATUSES else None,
        completed_at=at if status in ENDED_STATUSES else None,
        **values,
    )


def history(of: Job, number: int = 3) -> list[Event]:
    """Return unsaved events of a job."""
    return [event(of.created_at + timedelta(microseconds=n), of.pk) for n in range(number)]


def event(at: datetime | None = None, job_id: object = None) -> Event:
    """Return an unsaved event."""
    return Event(type="sample", payload=PAYLOAD, created_at=at or timezone.now() - OLD, job_id=job_id)


def save(*saved: Job | Event) -> None:
    """Save rows as they are."""
    with transaction.atomic():
        for model in (Job, Event):
            if some := [row for row in saved if isinstance(row, model)]:
                db_rows.insert(connection, some, model._meta.concrete_fields)


def save_many(number: int) -> None:
    """Save old jobs of every status with their histories, jobs of today, and events without a job."""
    jobs = [job(JobStatus.values[n % 5], OLD + timedelta(seconds=n)) for n in range(number)]
    today = [job(JobStatus.COMPLETED, timedelta(hours=1)) for _ in range(number // 10)]
    events = [each for one in [*jobs, *today] for each in history(one)]
    # Many of one timestamp: their order is that of their ids.
    at = timezone.now() - OLD
    events += [event(at) for _ in range(number)]
    events += [event(timezone.now(), new_id())]
    save(*jobs, *today, *events)


def in_tables() -> dict[str, Counter[Row]]:
    """Return the rows of the tables."""
    return {table: Counter(_all(table)) for table in TABLES}


def _all(table: str) -> Iterable[Row]:
    engine = row_sql.vendor()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {row_sql.select_list(table, engine)} FROM {table}")  # noqa: S608
        for row in cursor.fetchall():
            yield tuple(row_sql.from_sqlite(value) for value in row)


def in_archive() -> dict[str, Counter[Row]]:
    """Return the rows of the archive's files."""
    found: dict[str, Counter[Row]] = {table: Counter() for table in TABLES}
    for file in archive.files():
        if file.state == ArchiveState.ARCHIVED:
            for rows in rows_of(archive.path_of(file)):
                found[file.table].update(rows)
    return found


def everywhere() -> dict[str, Counter[Row]]:
    """Return the rows of the tables and of the archive together."""
    tables, files = in_tables(), in_archive()
    return {table: tables[table] + files[table] for table in TABLES}


def due_now() -> dict[str, int]:
    """Return how many rows a run would archive, by table."""
    return {table: archive.due(table, archive.cutoff(table)).rows for table in TABLES}
