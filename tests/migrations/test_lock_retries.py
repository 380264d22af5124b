"""`migrate` on PostgreSQL gives way to writers, and succeeds when the lock that it needs is free."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import OperationalError, connections

from tests.migrations import test_under_writes
from tests.migrations.schema import applied_migrations, migrate
from tests.migrations.test_under_writes import (  # fixtures and clients
    WRITES,
    Connection,
    Start,
    connection,
    open_write,
    start_migrating,
    wait_for_lock,
)

__all__ = ["connection", "start_migrating"]

pytestmark = pytest.mark.postgres

#: Far shorter than other clients wait for a lock.
LOCK_TIMEOUT_SECONDS = 0.2
BEFORE = {"0007_leases": "0006_login_windows", "0009_counts_by_queue": "0008_claim_indexes"}


def impatient(database: str, migration: str | None = None, attempts: int = 100) -> str:
    """Migrate as the fixtures do, with a short time-out; return what the command reports."""
    output = StringIO()
    call_command(
        "migrate",
        *(["orchestrator", migration] if migration else []),
        database=database,
        verbosity=0,
        lock_timeout=LOCK_TIMEOUT_SECONDS,
        lock_attempts=attempts,
        stderr=output,
    )
    return output.getvalue()


@pytest.mark.parametrize(
    ("migration", "statement"),
    [("0007_leases", "ALTER TABLE jobs"), ("0009_counts_by_queue", "-- Jobs")],
    ids=["in a transaction", "a script with transactions of its own"],
)
def test_a_migration_that_waits_for_a_lock_gives_way_to_writers(
    database: str,
    connection: Connection,
    start_migrating: Start,
    monkeypatch: pytest.MonkeyPatch,
    migration: str,
    statement: str,
) -> None:
    monkeypatch.setattr(test_under_writes, "migrate", impatient)
    migrate(database, BEFORE[migration])
    with open_write(database, "jobs"):
        migrating = start_migrating(migration)
        wait_for_lock(connection, statement)
        # The writer waits behind the migration, whose lock would last as long as the first transaction.
        assert connection.execute(WRITES["jobs"], ["job 2"]).rowcount == 1
        wait_for_lock(connection, statement)  # the next attempt
        assert migration not in applied_migrations(database)
    migrating.finish()
    assert migrating.error is None
    assert migration in applied_migrations(database)


def test_it_gives_up_after_the_last_attempt(database: str) -> None:
    migrate(database, "0006_login_windows")
    with open_write(database, "jobs"), pytest.raises(OperationalError, match="lock timeout"):
        impatient(database, "0007_leases", attempts=2)
    assert "0007_leases" not in applied_migrations(database)
    assert lock_timeout(database) == "0"


def test_the_limit_ends_with_the_command(database: str) -> None:
    assert impatient(database) == ""
    assert lock_timeout(database) == "0"


def lock_timeout(database: str) -> str:
    with connections[database].cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        return str(cursor.fetchone()[0])
