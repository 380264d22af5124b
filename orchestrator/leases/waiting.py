"""The jobs that wait in each queue, read from the claim's indexes: the cost does not grow with the jobs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from django.db import connection

from monitoring.plans import Statement
from orchestrator.leases.queue_order import IS_PENDING, parameter
from orchestrator.limits import MAX_INT32
from orchestrator.models import Job

#: Priorities of a queue at which the oldest job is looked for, from the highest on.
MAX_PRIORITIES: Final = 20
#: Jobs that are not yet due and are counted.
MAX_SCHEDULED: Final = 5000

# Each finds one entry of the index (queue, priority DESC, created_at, id) of due jobs.
_NEXT_PRIORITY: Final = f"""
    SELECT priority FROM jobs WHERE queue = {{queue}} AND priority < {{priority}} AND due AND {IS_PENDING}
    ORDER BY priority DESC LIMIT 1
"""  # noqa: S608 - constants
_OLDEST: Final = f"""
    SELECT id FROM jobs WHERE queue = {{queue}} AND priority = {{priority}} AND due AND {IS_PENDING}
    ORDER BY created_at, id LIMIT 1
"""  # noqa: S608 - constants
# A step goes from a queue's priority to its next lower one, from above the highest one on.
_OLDEST_OF_PRIORITIES: Final = f"""
    WITH RECURSIVE steps (step_queue, step_priority, depth) AS (
        SELECT column1, {MAX_INT32 + 1}, 0 FROM (VALUES {{queues}}) AS listed
        UNION ALL
        SELECT step_queue, ({_NEXT_PRIORITY.format(queue="step_queue", priority="step_priority")}), depth + 1
        FROM steps WHERE step_priority IS NOT NULL AND depth < %s
    )
    SELECT id, queue, created_at, available_at FROM jobs WHERE id IN (
        SELECT ({_OLDEST.format(queue="step_queue", priority="step_priority")})
        FROM steps WHERE step_priority IS NOT NULL
    )
"""  # noqa: S608 - constants
_NEXT_SCHEDULED: Final = f"""
    SELECT queue FROM jobs WHERE NOT due AND {IS_PENDING} AND available_at > %s
    ORDER BY available_at LIMIT %s
"""  # noqa: S608 - constants


def oldest_due(queues: Sequence[str]) -> dict[str, datetime]:
    """Return since when the oldest due job of each queue has waited; a queue without due jobs is left out.

    A job waits from its creation, or from the time at which it became available. Of each priority the job is
    looked at that a claim would take first.
    """
    oldest: dict[str, datetime] = {}
    if not queues:
        return oldest
    sql = _OLDEST_OF_PRIORITIES.format(queues=", ".join(["(%s)"] * len(queues)))
    for job in Job.objects.raw(sql, [*queues, MAX_PRIORITIES]):
        since = max(job.created_at, job.available_at)
        oldest[job.queue] = min(oldest.get(job.queue, since), since)
    return oldest


def oldest_of_priority(queue: str, priority: int) -> Statement:
    """Return the query for the oldest due job of a queue and a priority."""
    return Statement(_OLDEST.format(queue="%s", priority="%s"), [queue, priority])


def next_priority(queue: str, priority: int) -> Statement:
    """Return the query for the next lower priority of a queue's due jobs."""
    return Statement(_NEXT_PRIORITY.format(queue="%s", priority="%s"), [queue, priority])


def scheduled_by_queue(now: datetime) -> tuple[dict[str, int], bool]:
    """Return the number of jobs that are not yet due by queue, and whether all of them were counted.

    Only the next ``MAX_SCHEDULED`` are counted.
    """
    statement = next_scheduled(now)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT queue, count(*) FROM ({statement.sql}) AS scheduled GROUP BY queue",  # noqa: S608
            statement.parameters,
        )
        numbers = {queue: int(number) for queue, number in cursor.fetchall()}
    return numbers, sum(numbers.values()) < MAX_SCHEDULED


def next_scheduled(now: datetime) -> Statement:
    """Return the query for the queues of the next scheduled jobs."""
    return Statement(_NEXT_SCHEDULED, [parameter(now), MAX_SCHEDULED])
