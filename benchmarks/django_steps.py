"""Steps that need Django and the service's settings: `python -m benchmarks.django_steps STEP` prints JSON."""

import json
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import django

django.setup()

from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402

from benchmarks import pending_jobs  # noqa: E402
from benchmarks.scaling import scale_rows  # noqa: E402
from benchmarks.suites.report_queries import measure  # noqa: E402
from orchestrator import actions, archive, partitions  # noqa: E402
from orchestrator.auth import tokens  # noqa: E402
from orchestrator.choices import ArchiveState, Role  # noqa: E402
from orchestrator.models import User  # noqa: E402

_TRIGGERS = {
    "sqlite": "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname, tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal",
}

_ADD_NUMBERED_JOBS = {
    "sqlite": (
        "INSERT INTO jobs (id, name) WITH RECURSIVE numbers (n) AS"
        " (SELECT %s UNION ALL SELECT n + 1 FROM numbers WHERE n < %s)"
        " SELECT '00000000000070008000' || n, 'numbered' FROM numbers"
    ),
    "postgresql": (
        "INSERT INTO jobs (id, name) SELECT ('00000000-0000-7000-8000-' || n)::uuid, 'numbered'"
        " FROM generate_series(%s::bigint, %s::bigint) AS n"
    ),
}


def create_admin() -> dict[str, str]:
    """Create an admin; return the id and an access token."""
    user = User.objects.create_user("bench", "bench@example.com", role=Role.ADMIN)
    return {"id": user.pk.hex, "token": tokens.issue_tokens(user)["access_token"]}


def checkpoint() -> None:
    """Move the contents of SQLite's write-ahead log into the database file."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def drop_triggers(*prefixes: str) -> None:
    """Drop all triggers whose names start with one of the prefixes."""
    with connection.cursor() as cursor:
        cursor.execute(_TRIGGERS[connection.vendor])
        for name, table in cursor.fetchall():
            if name.startswith(prefixes):
                of_table = f" ON {table}" if connection.vendor == "postgresql" else ""
                cursor.execute(f"DROP TRIGGER {name}{of_table}")


def add_numbered_jobs(first: str, number: str) -> None:
    """Insert pending jobs whose ids end with consecutive numbers of twelve digits."""
    statement = _ADD_NUMBERED_JOBS[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(statement, [int(first), int(first) + int(number) - 1])


def partition_by_week() -> None:
    """Make events a partitioned table whose rows are spread over partitions of a week."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept AS SELECT * FROM events")
        cursor.execute("TRUNCATE events")
        for weeks in (8, 4, 0):
            partitions.run(timezone.now() - timedelta(weeks=weeks))
        cursor.execute("INSERT INTO events SELECT * FROM kept")
        cursor.execute("DROP TABLE kept")
        cursor.execute("ANALYZE events")


def scale(factor: str) -> None:
    """Multiply the rows of jobs, events and tasks by a factor."""
    scale_rows(int(factor))


def replace_pending(due: str, later: str, priorities: str, queues: str) -> None:
    """Replace all pending jobs, as ``benchmarks.pending_jobs`` does."""
    pending_jobs.replace_pending(int(due), int(later), int(priorities), int(queues))


def top_up_pending(number: str) -> None:
    """Submit jobs until so many are pending."""
    pending_jobs.top_up_pending(int(number))


def report_queries() -> list[dict[str, Any]]:
    """Measure the four queries of the performance report."""
    return measure()


def record_events(seconds: str, rate: str) -> int:
    """Record events with the current timestamp for so many seconds, at a steady rate; return how many.

    The last second is a pause, in which the last events arrive.
    """
    number, began = round(float(seconds) * int(rate)), time.monotonic()
    for sent in range(number):
        time.sleep(max(0.0, began + sent / int(rate) - time.monotonic()))
        actions.record_event(type="measured", payload={"at": time.time()})
    time.sleep(1)
    return number


def restore_archived() -> float:
    """Restore every archived file; return how many seconds it took."""
    files, began = archive.files(), time.monotonic()
    for file in files:
        if file.state == ArchiveState.ARCHIVED:
            archive.restore(file.name)
    return time.monotonic() - began


STEPS: dict[str, Callable[..., Any]] = {
    step.__name__: step
    for step in (
        create_admin,
        checkpoint,
        drop_triggers,
        partition_by_week,
        add_numbered_jobs,
        scale,
        replace_pending,
        top_up_pending,
        report_queries,
        record_events,
        restore_archived,
    )
}

if __name__ == "__main__":
    sys.stdout.write(json.dumps(STEPS[sys.argv[1]](*sys.argv[2:])))
