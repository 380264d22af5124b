"""The queries for the jobs that are next, in the words of the claim's indexes (docs/leases.md).

On SQLite claims run them; on PostgreSQL the functions of ``0014_claim_functions.postgresql.sql`` do, which
contain the same queries. ``explain_queries`` shows their plans on both.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from django.db import connection

from monitoring.plans import Statement
from orchestrator.choices import JobStatus

_OTHERS: Final = ", ".join(f"'{status}'" for status in JobStatus if status != JobStatus.PENDING)
#: In the words of the indexes' conditions: a job is pending that has no other status.
IS_PENDING: Final = f"NOT (status IN ({_OTHERS}))"
_IS_PENDING_IN_ANY_QUEUE: Final = f"NOT (status IN ({_OTHERS}, ''))"

_ORDER_TERMS: Final = "priority DESC, created_at, id"
_ORDER: Final = f"ORDER BY {_ORDER_TERMS}"
_COLUMNS: Final = "id, queue, priority, created_at"
_SCHEDULED_IDS: Final = "SELECT id FROM {} ORDER BY available_at LIMIT %s"


def next_jobs(queues: Sequence[str] | None, now: datetime, limit: int) -> Statement:
    """Return the query for the next jobs of some queues, or of all of them (None)."""
    at, next_of = parameter(now), f"SELECT {_COLUMNS} FROM {{}} {_ORDER} LIMIT %s"  # noqa: S608
    if queues is None:
        return Statement(next_of.format(_claimable_from_all()), [at, limit])
    of_queue = next_of.format(_claimable("queue = %s"))
    if len(queues) == 1:
        return Statement(of_queue, [queues[0], at, limit])
    of_each = " UNION ALL ".join(
        f"SELECT * FROM ({of_queue}) AS of_queue_{number}"  # noqa: S608
        for number in range(len(queues))
    )
    parameters = [value for queue in queues for value in (queue, at, limit)]
    return Statement(f"SELECT {_COLUMNS} FROM ({of_each}) AS next {_ORDER} LIMIT %s", [*parameters, limit])  # noqa: S608


def scheduled_jobs(now: datetime, limit: int) -> Statement:
    """Return the query for the ids of pending jobs that are not yet due although their time has come."""
    return Statement(_SCHEDULED_IDS.format(_scheduled()), [parameter(now), limit])


def jobs_to_promote(queues: Sequence[str] | None, now: datetime, among: int, limit: int) -> Statement:
    """Return the query for the ids of those scheduled jobs that a claim of some queues would take first.

    Jobs of other queues come after them. If they were left out, they could fill ``among`` for ever.

    Args:
        queues: names of queues; None for all of them.
        now: the current time.
        among: number of jobs to choose from: those that have been due for the longest time.
        limit: the largest number of jobs.
    """
    waiting = f"SELECT {_COLUMNS} FROM {_scheduled()} ORDER BY available_at LIMIT %s"  # noqa: S608
    wanted = f"queue IN ({', '.join(['%s'] * len(queues))}) DESC, " if queues else ""
    return Statement(
        f"SELECT id FROM ({waiting}) AS waiting ORDER BY {wanted}{_ORDER_TERMS} LIMIT %s",  # noqa: S608
        [parameter(now), among, *(queues or ()), limit],
    )


def has_rows(statement: Statement) -> bool:
    """Return whether a query finds anything."""
    with connection.cursor() as cursor:
        cursor.execute(statement.sql, statement.parameters)
        return cursor.fetchone() is not None


def is_chosen_by(statement: Statement) -> str:
    """Return the condition that a row is one of those that a query selects, on SQLite.

    No row is locked: SQLite has one writer at a time.
    """
    return f"id IN (SELECT id FROM ({statement.sql}))"  # noqa: S608 - our own statements


def parameter(at: datetime) -> Any:
    """Return a timestamp as the database's driver expects it."""
    return connection.ops.adapt_datetimefield_value(at)


def _claimable_from_all() -> str:
    return _jobs("ix_jobs_claim", f"due AND {_IS_PENDING_IN_ANY_QUEUE}")


def _claimable(queue: str) -> str:
    return _jobs("ix_jobs_claim_queue", f"{queue} AND due AND {IS_PENDING}")


def _scheduled() -> str:
    return _jobs("ix_jobs_schedule", f"NOT due AND {IS_PENDING}")


def _jobs(index: str, condition: str) -> str:
    """Return the table and the condition on its rows. SQLite is told the index: it would use another.

    The time is checked also of jobs that are due: somebody may have put it off by hand.
    """
    hint = f" INDEXED BY {index}" if connection.vendor == "sqlite" else ""
    return f"jobs{hint} WHERE {condition} AND available_at <= %s"
