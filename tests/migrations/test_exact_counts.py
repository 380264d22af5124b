"""The migration of the exact counts: existing rows and concurrent writes are counted."""

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


def inexact(database: str) -> list[counts.VerifiedCount]:
    return [number for number in counts.verify(using=database) if not number.is_exact]


def test_existing_rows_are_counted(database: str) -> None:
    migrate(database, COUNTING)
    assert counts.rows_by_table(database) == {"jobs": 40, "events": 40, "tasks": 40, "users": 40}
    assert inexact(database) == []


def test_backward_and_forward_again(database: str) -> None:
    for migration in (COUNTING, BEFORE, COUNTING):
        migrate(database, migration)
    assert inexact(database) == []


@pytest.mark.parametrize("direction", ["database_forwards", "database_backwards"])
def test_migration_that_was_not_recorded_can_run_again(database: str, direction: str) -> None:
    migrate(database, COUNTING)
    for _ in range(2):
        with connections[database].schema_editor(atomic=False) as editor:
            getattr(RunVendorSQL(COUNTING), direction)("orchestrator", editor, None, None)
    if direction == "database_forwards":
        assert inexact(database) == []


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
    assert counts.rows_by_table(database) == {"jobs": 39, "events": 39, "tasks": 40, "users": 40}
    assert inexact(database) == []
