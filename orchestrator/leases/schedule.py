"""Jobs that wait for their time: they become due, so that a claim finds them (docs/leases.md)."""

from datetime import datetime
from typing import Final

from django.db import connection, transaction

from orchestrator.leases.queue_order import has_rows, is_chosen_by, scheduled_jobs

#: Jobs that one claim makes due at most, so that it stays short when many become due at once.
MAX_PROMOTED: Final = 1000


def promote(now: datetime, limit: int = MAX_PROMOTED) -> int:
    """Make pending jobs due whose time has come, the longest due first; return their number."""
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT promote_jobs(%s, %s)", [now, limit])
            return int(cursor.fetchone()[0])
        scheduled = scheduled_jobs(now, limit)
        cursor.execute(f"UPDATE jobs SET due = true WHERE {is_chosen_by(scheduled)}", scheduled.parameters)  # noqa: S608
        return int(cursor.rowcount)


def has_scheduled(now: datetime) -> bool:
    """Return whether there are jobs to promote."""
    return has_rows(scheduled_jobs(now, 1))
