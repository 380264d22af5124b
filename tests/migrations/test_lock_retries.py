"""`migrate` on PostgreSQL gives way to writers, and succeeds when the lock that it needs is free."""

from functools import partial
from io import StringIO

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db import connections

from tests.migrations import test_under_writes
from tests.migrations.schema import PERFORMANCE, applied_migrations, migrate
from tests.migrations.test_under_writes import (  # fixtures and clients
    CREATE,
    WRITES,
    Connection,
    Start,
    connection,
    open_write,
    start_migrating,
    wait_for_lock,
)
from tests.polling import wait_until

__all__ = ["connection", "start_migrating"]

pytestmark = pytest.mark.postgres

#: Far shorter than other clients wait for a lock.
LOCK_TIMEOUT_SECONDS = 0.2
WAITS_FOR_LONGER = """
    SELECT 1 FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'CREATE INDEX%%'
        AND clock_timestamp() - query_start > make_interval(secs => %s)
"""
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


def test_an_index_that_is_built_online_waits_for_writers_as_long_as_they_take(
    database: str, connection: Connection, start_migrating: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(test_under_writes, "migrate", partial(impatient, attempts=1))
    longer = 3 * LOCK_TIMEOUT_SECONDS
    with open_write(database, "jobs"):
        migrating = start_migrating(PERFORMANCE)
        wait_for_lock(connection, CREATE.format("ix_jobs_status_priority"))
        wait_until(lambda: connection.execute(WAITS_FOR_LONGER, [longer]).fetchone(), what="a longer wait")
        assert migrating.is_alive()
    migrating.finish()
    assert migrating.error is None
    assert PERFORMANCE in applied_migrations(database)


def test_it_gives_up_after_the_last_attempt(database: str) -> None:
    migrate(database, "0006_login_windows")
    with open_write(database, "jobs"), pytest.raises(CommandError, match="holds a lock"):
        impatient(database, "0007_leases", attempts=2)
    assert "0007_leases" not in applied_migrations(database)
    assert lock_timeout(database) == "0"


def test_the_limit_ends_with_the_command(database: str) -> None:
    assert impatient(database) == ""
    assert lock_timeout(database) == "0"


@pytest.mark.parametrize("value", ["-1", "1e12", "nan", "inf", "0.0001", "soon"])
def test_a_lock_timeout_that_postgresql_cannot_have_is_refused(value: str) -> None:
    with pytest.raises(CommandError, match=r"from 0\.001 to 2147483, or 0 to wait without a limit"):
        call_command("migrate", f"--lock-timeout={value}")


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many"])
def test_fewer_lock_attempts_than_one_are_refused(value: str) -> None:
    with pytest.raises(CommandError, match=r"--lock-attempts: .* allowed: a whole number from 1"):
        call_command("migrate", f"--lock-attempts={value}")


@pytest.mark.parametrize("value", ["0", "0.001", "2147483"])
def test_postgresql_accepts_every_allowed_lock_timeout(database: str, value: str) -> None:
    call_command("migrate", f"--lock-timeout={value}", database=database, verbosity=0)


def test_a_replica_is_not_migrated(database: str, settings: LazySettings) -> None:
    settings.DATABASE_REPLICAS = [database]
    with pytest.raises(CommandError, match="is a read replica"):
        call_command("migrate", database=database)


def lock_timeout(database: str) -> str:
    with connections[database].cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        return str(cursor.fetchone()[0])
