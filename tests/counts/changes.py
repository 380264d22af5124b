"""Changes of the four tables, each by a different method of Django or SQL."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.db import connection
from django.utils import timezone

from orchestrator import actions
from orchestrator.choices import JobStatus
from orchestrator.models import Event, Job, Task, User

Change = Callable[[int], Any]

STATUS_COLUMNS = ["status", "started_at", "completed_at"]
QUEUES = ("default", "reports", "mail")
SOME_JOBS = "id IN (SELECT id FROM jobs ORDER BY id LIMIT %s)"


def job(number: int) -> Job:
    """Return an unsaved job; the number chooses its status and its queue."""
    return set_status(Job(name=f"job {number}", queue=QUEUES[number % len(QUEUES)]), number)


def set_status(row: Job, number: int) -> Job:
    """Set a job's status by the number; return the job."""
    row.status, row.started_at, row.completed_at = values_of(number)
    return row


def values_of(number: int) -> tuple[str, datetime, datetime]:
    """Return values for ``STATUS_COLUMNS``."""
    return JobStatus.values[number % len(JobStatus.values)], timezone.now(), timezone.now()


def job_saved(number: int) -> None:
    job(number).save()


def job_submitted(number: int) -> None:
    actions.create_job(by="somebody", name=f"job {number}")


def job_moved(number: int) -> None:
    if found := Job.objects.first():
        set_status(found, number).save()


def jobs_in_bulk(number: int) -> None:
    Job.objects.bulk_create([job(number + offset) for offset in range(number)])


def jobs_in_bulk_again(number: int) -> None:
    Job.objects.bulk_create([*Job.objects.all()[:number], job(number)], ignore_conflicts=True)


def jobs_upserted(number: int) -> None:
    known = list(Job.objects.all()[:number])
    for position, row in enumerate(known):
        set_status(row, number + position)
    Job.objects.bulk_create(
        [*known, job(number)], update_conflicts=True, unique_fields=["id"], update_fields=STATUS_COLUMNS
    )


def jobs_updated(number: int) -> None:
    chosen = Job.objects.filter(id__in=list(Job.objects.values_list("id", flat=True)[:number]))
    chosen.update(**dict(zip(STATUS_COLUMNS, values_of(number), strict=True)))


def jobs_bulk_updated(number: int) -> None:
    chosen = list(Job.objects.all()[:number])
    for position, row in enumerate(chosen):
        set_status(row, number + position)
    Job.objects.bulk_update(chosen, STATUS_COLUMNS)


def jobs_moved_to_a_queue(number: int) -> None:
    sql(f"UPDATE jobs SET queue = %s WHERE {SOME_JOBS}", [QUEUES[number % len(QUEUES)], number])  # noqa: S608


def jobs_moved_to_a_queue_with_a_status(number: int) -> None:
    queue, (status, started, completed) = QUEUES[number % len(QUEUES)], values_of(number)
    Job.objects.update(queue=queue, status=status, started_at=started, completed_at=completed)


def jobs_renamed(number: int) -> None:
    Job.objects.update(name=f"renamed {number}")


def jobs_deleted(number: int) -> None:
    Job.objects.filter(id__in=list(Job.objects.values_list("id", flat=True)[:number])).delete()


def jobs_deleted_by_sql(number: int) -> None:
    sql(f"DELETE FROM jobs WHERE {SOME_JOBS}", [number])  # noqa: S608


def jobs_moved_by_sql(number: int) -> None:
    statement = f"UPDATE jobs SET status = %s, started_at = %s, completed_at = %s WHERE {SOME_JOBS}"  # noqa: S608
    sql(statement, [*values_of(number), number])


def jobs_replaced(number: int) -> None:
    """Replace rows by others with the same id: INSERT OR REPLACE or MERGE."""
    columns = "name, queue, description, priority, metadata, created_at, updated_at, attempts, max_attempts"
    if connection.vendor == "sqlite":
        into = f"jobs (id, status, started_at, {columns})"
        source = f"SELECT id, 'running', created_at, {columns} FROM jobs WHERE {SOME_JOBS}"  # noqa: S608
        sql(f"INSERT OR REPLACE INTO {into} {source}", [number])
    else:
        sql(
            "MERGE INTO jobs USING (SELECT id, row_number() OVER () %% 2 AS odd FROM jobs LIMIT %s) AS chosen"
            " ON jobs.id = chosen.id WHEN MATCHED AND odd = 1 THEN DELETE"
            " WHEN MATCHED THEN UPDATE SET status = 'pending'",
            [number],
        )


def events_added(number: int) -> None:
    Event.objects.bulk_create([Event(type="x") for _ in range(number)])


def events_copied(number: int) -> None:
    """Insert rows with COPY or executemany."""
    now = timezone.now()
    rows = [(uuid4(), "copied", "{}", now) for _ in range(number)]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy("COPY events (id, type, payload, created_at) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            cursor.executemany(
                "INSERT INTO events (id, type, payload, created_at) VALUES (%s, %s, %s, %s)",
                [(row[0].hex, *row[1:]) for row in rows],
            )


def events_truncated(number: int) -> None:
    remove_all("events")


def jobs_truncated(number: int) -> None:
    remove_all("jobs")


def tasks_edited(number: int) -> None:
    Task.objects.update(description=f"text {number}")
    Task.objects.create(title=f"task {number}")


def tasks_deleted(number: int) -> None:
    sql("DELETE FROM tasks WHERE id IN (SELECT id FROM tasks ORDER BY id LIMIT %s)", [number])


def user_made(number: int) -> None:
    name = uuid4().hex
    User.objects.create(username=name, email=f"{name}@example.com")


def user_gone(number: int) -> None:
    if found := User.objects.first():
        found.delete()


def nothing_changed(number: int) -> None:
    sql("UPDATE jobs SET status = 'failed' WHERE name = %s", ["nobody's"])
    sql("DELETE FROM users WHERE username = %s", ["nobody"])


CHANGES: tuple[Change, ...] = (
    job_saved,
    job_submitted,
    job_moved,
    jobs_in_bulk,
    jobs_in_bulk_again,
    jobs_upserted,
    jobs_updated,
    jobs_bulk_updated,
    jobs_moved_to_a_queue,
    jobs_moved_to_a_queue_with_a_status,
    jobs_renamed,
    jobs_deleted,
    jobs_deleted_by_sql,
    jobs_moved_by_sql,
    jobs_replaced,
    events_added,
    events_copied,
    events_truncated,
    jobs_truncated,
    tasks_edited,
    tasks_deleted,
    user_made,
    user_gone,
    nothing_changed,
)


def sql(statement: str, parameters: list[Any]) -> None:
    """Execute a statement without the models."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def remove_all(table: str) -> None:
    """Remove all rows of a table with one statement."""
    sql(f"TRUNCATE {table} CASCADE" if connection.vendor == "postgresql" else f"DELETE FROM {table}", [])  # noqa: S608
