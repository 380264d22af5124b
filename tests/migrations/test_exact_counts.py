"""The migration that begins to count: what was there, and what is written meanwhile."""

import pytest
from django.db import connections

from orchestrator import counts
from orchestrator.db.migration_operations import RunVendorSQL
from tests.migrations.schema import migrate
from tests.migrations.test_under_writes import (  # the fixtures and clients of migrations under writers
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


def wrong(database: str) -> list[counts.VerifiedCount]:
    return [number for number in counts.verify(using=database) if not number.is_exact]


def test_rows_that_were_there_are_counted(database: str) -> None:
    migrate(database, COUNTING)
    assert counts.rows_by_table(database) == {"jobs": 40, "events": 40, "tasks": 40, "users": 40}
    assert wrong(database) == []


def test_backward_and_forward_again(database: str) -> None:
    for migration in (COUNTING, BEFORE, COUNTING):
        migrate(database, migration)
    assert wrong(database) == []


@pytest.mark.parametrize("direction", ["database_forwards", "database_backwards"])
def test_run_again_after_it_stopped_before_it_was_recorded(database: str, direction: str) -> None:
    migrate(database, COUNTING)
    for _ in range(2):
        with connections[database].schema_editor(atomic=False) as editor:
            getattr(RunVendorSQL(COUNTING), direction)("orchestrator", editor, None, None)
    if direction == "database_forwards":
        assert wrong(database) == []


@pytest.mark.postgres
def test_what_is_written_meanwhile_is_counted_and_nobody_waits_in_a_circle(
    database: str, connection: Connection, start_migrating: Start
) -> None:
    migrate(database, BEFORE)
    with connect(database) as writer, writer.transaction():
        writer.execute(WRITES["events"], ["1"])
        migrating = start_migrating(COUNTING)
        wait_for_lock(connection, "-- Exact")
        # The migration waits for this transaction at the events, and has let go of the jobs, which count.
        writer.execute("UPDATE jobs SET status = 'failed' WHERE name = 'job 1'")
        connection.execute("DELETE FROM jobs WHERE name = 'job 2'")
        writer.execute("DELETE FROM events WHERE payload->>'n' = '3'")
    migrating.finish()
    assert migrating.error is None
    assert counts.rows_by_table(database) == {"jobs": 39, "events": 39, "tasks": 40, "users": 40}
    assert wrong(database) == []
