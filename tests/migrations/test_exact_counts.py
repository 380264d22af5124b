"""The migrations of the exact counts: existing rows and concurrent writes are counted."""

from collections import Counter
from typing import Any

import pytest
from django.db import connections

from orchestrator import counts
from orchestrator.db.migration_operations import RunVendorSQL
from tests.migrations.schema import migrate
from tests.migrations.test_under_writes import (  # fixtures and clients
    WRITES,
    Connection,
    Start,
    connect,
    connection,
    start_migrating,
    wait_for_lock,
)

__all__ = ["connection", "start_migrating"]

BEFORE, COUNTING = "0004_cache", "0005_exact_counts"
WITHOUT_QUEUES, BY_QUEUE = "0008_claim_indexes", "0009_counts_by_queue"


def inexact(database: str) -> list[counts.VerifiedCount]:
    return [number for number in counts.verify(using=database) if not number.is_exact]


def by_status(database: str) -> Counter[tuple[str, str]]:
    """Return the kept counts without queues, which the first of the migrations did not know."""
    kept = Counter({(table, status): int(rows) for table, status, rows in select(database, KEPT)})
    assert kept == Counter({(table, status): rows for table, status, rows in select(database, COUNTED)})
    return kept


KEPT = (
    "SELECT table_name, status, sum(rows) FROM row_counts GROUP BY table_name, status HAVING sum(rows) <> 0"
)
COUNTED = """
    SELECT 'jobs', status, count(*) FROM jobs GROUP BY status UNION ALL SELECT 'events', '', count(*) FROM events
    UNION ALL SELECT 'tasks', '', count(*) FROM tasks UNION ALL SELECT 'users', '', count(*) FROM users
"""


def select(database: str, statement: str) -> list[tuple[Any, ...]]:
    with connections[database].cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def test_existing_rows_are_counted(database: str) -> None:
    migrate(database, COUNTING)
    assert by_status(database).total() == 160


def test_backward_and_forward_again(database: str) -> None:
    for migration in (COUNTING, BEFORE, COUNTING):
        migrate(database, migration)
    assert by_status(database).total() == 160


def test_existing_jobs_are_counted_by_queue(database: str) -> None:
    migrate(database, WITHOUT_QUEUES)
    sql(database, "UPDATE jobs SET queue = 'reports' WHERE status = 'pending'")
    for migration in (BY_QUEUE, WITHOUT_QUEUES, BY_QUEUE):
        migrate(database, migration)
        sql(database, "DELETE FROM jobs WHERE name IN (SELECT name FROM jobs ORDER BY name LIMIT 1)")
        sql(database, "UPDATE jobs SET queue = 'mail', status = 'pending' WHERE name = 'job 9'")
        by_status(database)
    assert inexact(database) == []
    assert counts.pending_by_queue(database) == {"mail": 1, "reports": 8 - 2}
    assert counts.rows_by_table(database) == {"jobs": 37, "events": 40, "tasks": 40, "users": 40}


def sql(database: str, statement: str) -> None:
    with connections[database].cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize("direction", ["database_forwards", "database_backwards"])
@pytest.mark.parametrize("migration", [COUNTING, BY_QUEUE])
def test_migration_that_was_not_recorded_can_run_again(database: str, migration: str, direction: str) -> None:
    migrate(database, migration)
    for _ in range(2):
        with connections[database].schema_editor(atomic=False) as editor:
            getattr(RunVendorSQL(migration), direction)("orchestrator", editor, None, None)
    if (migration, direction) != (COUNTING, "database_backwards"):
        by_status(database)


@pytest.mark.postgres
def test_concurrent_writes_are_counted_without_deadlock(
    database: str, connection: Connection, start_migrating: Start
) -> None:
    migrate(database, BEFORE)
    with connect(database) as writer, writer.transaction():
        writer.execute(WRITES["events"], ["1"])
        migrating = start_migrating(COUNTING)
        wait_for_lock(connection, "-- Exact")
        # The migration waits for this transaction's lock on events. It has released jobs, whose changes are
        # counted.
        writer.execute("UPDATE jobs SET status = 'failed' WHERE name = 'job 1'")
        connection.execute("DELETE FROM jobs WHERE name = 'job 2'")
        writer.execute("DELETE FROM events WHERE payload->>'n' = '3'")
    migrating.finish()
    assert migrating.error is None
    assert by_status(database).total() == 39 + 39 + 40 + 40


@pytest.mark.postgres
def test_jobs_that_are_counted_without_their_queue_during_the_migration_are_counted_with_it(
    database: str, connection: Connection, start_migrating: Start
) -> None:
    migrate(database, WITHOUT_QUEUES)
    with connect(database) as writer, writer.transaction():
        writer.execute(WRITES["jobs"], ["job 1"])  # locks jobs without a row in row_counts
        migrating = start_migrating(BY_QUEUE)
        wait_for_lock(connection, "-- Jobs")
        writer.execute("UPDATE jobs SET queue = 'mail', status = 'pending' WHERE name IN ('job 1', 'job 2')")
    migrating.finish()
    assert migrating.error is None
    connection.execute("DELETE FROM jobs WHERE name = 'job 2'")
    assert counts.pending_by_queue(database) == {"default": 8, "mail": 1}
    assert inexact(database) == []
