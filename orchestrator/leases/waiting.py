"""The jobs that wait in each queue, read from the claim's indexes: the cost does not grow with the jobs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from django.db import connection

from monitoring.plans import Statement
from orchestrator.models import Job

#: Priorities of a queue at which the oldest job is looked for, from the highest on.
MAX_PRIORITIES: Final = 20
#: Jobs that are not yet due and are counted.
MAX_SCHEDULED: Final = 5000

# A step goes from a queue's priority to its next lower one; each finds one entry of the index.
_OLDEST: Final = """
    WITH RECURSIVE steps (queue, priority, depth) AS (
        SELECT column1, (
            SELECT priority FROM jobs WHERE queue = column1 AND status = 'pending' AND due
            ORDER BY priority DESC LIMIT 1
        ), 1 FROM (VALUES {queues}) AS listed
        UNION ALL
        SELECT queue, (
            SELECT priority FROM jobs
            WHERE jobs.queue = steps.queue AND priority < steps.priority AND status = 'pending' AND due
            ORDER BY priority DESC LIMIT 1
        ), depth + 1 FROM steps WHERE priority IS NOT NULL AND depth < %s
    )
    SELECT id, queue, created_at, available_at FROM jobs WHERE id IN (
        SELECT (
            SELECT id FROM jobs
            WHERE jobs.queue = steps.queue AND jobs.priority = steps.priority AND status = 'pending' AND due
            ORDER BY created_at, id LIMIT 1
        ) FROM steps WHERE priority IS NOT NULL
    )
"""
_SCHEDULED: Final = """
    SELECT queue, count(*) FROM (
        SELECT queue FROM jobs WHERE status = 'pending' AND NOT due AND available_at > %s
        ORDER BY available_at LIMIT %s
    ) AS scheduled GROUP BY queue
"""


def oldest_due(queues: Sequence[str]) -> dict[str, datetime]:
    """Return since when the oldest due job of each queue has waited; a queue without due jobs is left out.

    A job waits from its creation, or from the time at which it became available.
    """
    oldest: dict[str, datetime] = {}
    if not queues:
        return oldest
    statement = oldest_of_priorities(queues)
    for job in Job.objects.raw(statement.sql, statement.parameters):
        since = max(job.created_at, job.available_at)
        oldest[job.queue] = min(oldest.get(job.queue, since), since)
    return oldest


def oldest_of_priorities(queues: Sequence[str]) -> Statement:
    """Return the query for the oldest due job of each priority of some queues."""
    listed = ", ".join(["(%s)"] * len(queues))
    return Statement(_OLDEST.format(queues=listed), [*queues, MAX_PRIORITIES])


def scheduled_by_queue(now: datetime) -> tuple[dict[str, int], bool]:
    """Return the number of jobs that are not yet due by queue, and whether all of them were counted.

    Only the next ``MAX_SCHEDULED`` are counted.
    """
    statement = next_scheduled(now)
    with connection.cursor() as cursor:
        cursor.execute(statement.sql, statement.parameters)
        numbers = {queue: int(number) for queue, number in cursor.fetchall()}
    return numbers, sum(numbers.values()) < MAX_SCHEDULED


def next_scheduled(now: datetime) -> Statement:
    """Return the query that counts the next scheduled jobs by queue."""
    return Statement(_SCHEDULED, [connection.ops.adapt_datetimefield_value(now), MAX_SCHEDULED])
