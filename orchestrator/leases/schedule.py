"""Jobs that wait for their time: they become due, so that a claim finds them (docs/leases.md)."""

from datetime import datetime
from typing import Final

from django.db import connection, transaction

from orchestrator.leases.queue_order import has_rows, is_chosen_by, jobs_to_promote, scheduled_jobs

#: Jobs that one claim makes due at most, so that it stays short when many become due at once.
MAX_PROMOTED: Final = 1000
#: Jobs that these are chosen from: so many may become due at once, and the order by priority holds.
MAX_COMPARED: Final = 10_000


def promote(now: datetime, queues: list[str] | None = None) -> int:
    """Make pending jobs due whose time has come; return their number.

    Args:
        now: the current time.
        queues: the queues that a claim takes jobs from, whose jobs come first; None for all of them.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT promote_jobs(%s, %s, %s, %s)", [now, queues, MAX_PROMOTED, MAX_COMPARED])
            return int(cursor.fetchone()[0])
        chosen = jobs_to_promote(queues, now, MAX_COMPARED, MAX_PROMOTED)
        cursor.execute(f"UPDATE jobs SET due = true WHERE {is_chosen_by(chosen)}", chosen.parameters)  # noqa: S608
        return int(cursor.rowcount)


def has_scheduled(now: datetime) -> bool:
    """Return whether there are jobs to promote."""
    return has_rows(scheduled_jobs(now, 1))
