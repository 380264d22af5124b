"""The performance migration on PostgreSQL with concurrent writers."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

import psycopg
import pytest
from django.db import OperationalError, connections

from tests.migrations.schema import INDEXES, INITIAL, PERFORMANCE, applied_migrations, indexes, migrate
from tests.polling import wait_until

pytestmark = pytest.mark.postgres

Connection: TypeAlias = "psycopg.Connection[tuple[str]]"

WRITES = {
    "jobs": "UPDATE jobs SET priority = priority + 1 WHERE name = %s",
    "events": "UPDATE events SET type = type || '!' WHERE payload->>'n' = %s",
}
# The limit for waiting for a lock: far longer than a write takes, far shorter than the test's timeout.
LOCK_TIMEOUT = "SET lock_timeout = '10s'"
CREATE = 'CREATE INDEX CONCURRENTLY "{}"'
DROP = 'DROP INDEX CONCURRENTLY IF EXISTS "{}"'
WAITING = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE %s
"""
INVALID = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"


class Migrating(threading.Thread):
    """A migration in a thread; ``error`` is the error that ended it."""

    def __init__(self, database: str, migration: str) -> None:
        """Start the migration of a database."""
        super().__init__(daemon=True)
        self.database, self.migration = database, migration
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        """Migrate."""
        try:
            migrate(self.database, self.migration)
        except OperationalError as error:
            self.error = error
        finally:
            connections[self.database].close()

    def finish(self) -> None:
        """Wait for the end."""
        self.join(60)
        assert not self.is_alive(), "the migration has not ended"


Start: TypeAlias = Callable[[str], Migrating]


@pytest.fixture
def start_migrating(database: str) -> Iterator[Start]:
    """A function that starts a migration in a thread. The fixture waits for its end."""
    started: list[Migrating] = []

    def start(migration: str) -> Migrating:
        started.append(Migrating(database, migration))
        return started[-1]

    yield start
    for migrating in started:
        migrating.finish()


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    """Another client's connection to the database."""
    with connect(database) as connection:
        yield connection


@contextmanager
def connect(database: str) -> Iterator[Connection]:
    """Open another client's connection to the database, in autocommit mode."""
    all_parameters = connections[database].get_connection_params()
    parameters = {
        name: all_parameters[name] for name in ("dbname", "user", "host", "port") if all_parameters.get(name)
    }
    with psycopg.connect(**parameters, autocommit=True) as connection:
        connection.execute(LOCK_TIMEOUT)
        yield connection


@contextmanager
def open_write(database: str, table: str) -> Iterator[None]:
    """Keep a transaction that writes to the table open during the block."""
    with connect(database) as writer, writer.transaction():
        writer.execute(WRITES[table], ["job 1" if table == "jobs" else "1"])
        yield


def wait_for_lock(connection: Connection, statement: str) -> str:
    """Wait until a statement waits for a lock; return its process id.

    The statement names its index, because a concurrent build may briefly wait for any statement, also this
    one.
    """
    found = wait_until(lambda: connection.execute(WAITING, [f"{statement}%"]).fetchone(), what=statement)
    return found[0]


@pytest.mark.parametrize(
    ("origin", "target", "statement"),
    [
        (INITIAL, PERFORMANCE, CREATE.format("ix_jobs_status_priority")),
        (PERFORMANCE, INITIAL, DROP.format("ix_jobs_completed_at")),
    ],
    ids=["forward", "backward"],
)
def test_writers_continue_while_the_migration_waits(
    database: str, connection: Connection, start_migrating: Start, origin: str, target: str, statement: str
) -> None:
    migrate(database, origin)
    with open_write(database, "jobs"):
        migrating = start_migrating(target)
        wait_for_lock(connection, statement)
        assert connection.execute(WRITES["jobs"], ["job 2"]).rowcount == 1
        assert migrating.is_alive()
    migrating.finish()
    assert migrating.error is None
    assert indexes(database) == INDEXES[target]


@pytest.mark.parametrize(
    ("table", "index"),
    [("jobs", "ix_jobs_status_priority"), ("events", "ix_events_type")],
    ids=["at its first index", "half-way"],
)
def test_migration_that_left_an_invalid_index_can_run_again(
    database: str, connection: Connection, start_migrating: Start, table: str, index: str
) -> None:
    with open_write(database, table):
        migrating = start_migrating(PERFORMANCE)
        cancel(migrating, wait_for_lock(connection, CREATE.format(index)), connection)
    assert len(connection.execute(INVALID).fetchall()) == 1
    assert PERFORMANCE not in applied_migrations(database)
    migrate(database, PERFORMANCE)
    assert connection.execute(INVALID).fetchall() == []
    assert indexes(database) == INDEXES[PERFORMANCE]


@pytest.mark.parametrize(
    ("table", "index"),
    [("jobs", "ix_jobs_completed_at"), ("events", "ix_events_type_created_at")],
    ids=["at its last table", "half-way"],
)
def test_reversal_that_failed_can_run_again(
    database: str, connection: Connection, start_migrating: Start, table: str, index: str
) -> None:
    migrate(database, PERFORMANCE)
    with open_write(database, table):
        migrating = start_migrating(INITIAL)
        cancel(migrating, wait_for_lock(connection, DROP.format(index)), connection)
    assert PERFORMANCE in applied_migrations(database)
    migrate(database, INITIAL)
    assert indexes(database) == INDEXES[INITIAL]
    migrate(database, PERFORMANCE)
    assert indexes(database) == INDEXES[PERFORMANCE]
    assert connection.execute(INVALID).fetchall() == []


def cancel(migrating: Migrating, process: str, connection: Connection) -> None:
    """Cancel the statement of a migration's server process; check that the migration fails because of it."""
    connection.execute("SELECT pg_cancel_backend(%s)", [process])
    migrating.finish()
    assert "canceling statement" in str(migrating.error)
