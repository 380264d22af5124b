"""Many rows from few: each row again and again, every time a little later, made by the database itself.

Jobs, events and tasks keep their distribution: a copy differs in its id and its times alone, and lies
between its original and the row after that, so that rows are written in the order of their ids. Indexes and
counts are made when all rows are there. Nobody else may use the database meanwhile; it is lost if this is
interrupted.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from django.db import connection

from kyros.addresses import SQLITE_PRAGMAS
from orchestrator import counts
from orchestrator.demo.loading import analyze

#: Of so many copies of a job one has its history, as if retention had taken the others'.
COPIES_A_HISTORY: Final = 3
#: Three hexadecimal digits of an id tell the copies apart.
MOST_COPIES: Final = 0xFFF
_TABLES: Final = ("jobs", "events", "tasks")
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - as SQLite has them, in UTC
_SQL: Final = Path(__file__).with_name("sql")

_SQLITE_FAST: Final = """
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA cache_size = -1048576;
    PRAGMA threads = 2;
"""
_POSTGRESQL_FAST: Final = (
    "SET LOCAL maintenance_work_mem = '1GB'; SET LOCAL work_mem = '256MB'; SET LOCAL jit = off;"
)
_SQLITE_MADE: Final = (
    "SELECT type, name, sql FROM sqlite_master"
    " WHERE tbl_name = ? AND type IN ('index', 'trigger') AND sql IS NOT NULL ORDER BY type"
)
_POSTGRESQL_KEYS: Final = (
    "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE conrelid = %s::regclass AND contype IN ('p', 'u')"
)
_POSTGRESQL_INDEXES: Final = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s"


def multiply(times: int) -> None:
    """Put ``times`` copies in the place of each job and task, and of every third copy's events.

    Args:
        times: from 1 to ``MOST_COPIES``.
    """
    if not 1 <= times <= MOST_COPIES:
        raise ValueError(f"{times} copies cannot be; allowed: 1 to {MOST_COPIES}")
    numbers: dict[str, object] = {"times": times, "histories": COPIES_A_HISTORY}
    if connection.vendor == "postgresql":
        _in_postgresql(numbers)
    else:
        _in_sqlite(numbers)
    counts.verify(repair=True)
    analyze(connection)


def _in_postgresql(numbers: dict[str, object]) -> None:
    connection.ensure_connection()
    raw: Any = connection.connection
    # One transaction: of tables that were emptied in it nothing has to be logged (wal_level minimal).
    with raw.transaction(), raw.cursor() as cursor:
        cursor.execute(_POSTGRESQL_FAST)
        with _bare_in_postgresql(cursor):
            cursor.execute(_script("postgresql", numbers))


@contextmanager
def _bare_in_postgresql(cursor: Any) -> Iterator[None]:
    """Take the tables' triggers, keys and indexes away; make them again at the end."""
    again = []
    for table in _TABLES:
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(_POSTGRESQL_KEYS, [table])
        for name, definition in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
            again.append(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
        cursor.execute(_POSTGRESQL_INDEXES, [table])
        for name, definition in cursor.fetchall():
            cursor.execute(f"DROP INDEX {name}")
            again.append(definition)
    yield
    for statement in again:
        cursor.execute(statement)
    for table in _TABLES:
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def _in_sqlite(numbers: dict[str, object]) -> None:
    connection.ensure_connection()
    raw: Any = connection.connection
    raw.create_function("microseconds", 1, _microseconds, deterministic=True)
    raw.executescript(_SQLITE_FAST)
    with _bare_in_sqlite(raw):
        times = {name: _shifted(name) for name in ("created", "updated", "started", "completed", "expires")}
        raw.executescript(_script("sqlite", {**numbers, **times}))
    raw.executescript(SQLITE_PRAGMAS)


@contextmanager
def _bare_in_sqlite(raw: Any) -> Iterator[None]:
    """Take the tables' triggers and indexes away, but for their keys; make them again at the end."""
    again = []
    for table in _TABLES:
        for kind, name, sql in raw.execute(_SQLITE_MADE, [table]).fetchall():
            raw.execute(f"DROP {kind} {name}")
            again.append(sql)
    yield
    for sql in again:
        raw.execute(sql)


def _microseconds(instant: str | None) -> int | None:
    """Return a time of a column in microseconds since 1970."""
    if instant is None:
        return None
    return int((datetime.fromisoformat(instant) - _EPOCH) / timedelta(microseconds=1))


def _shifted(name: str) -> str:
    """Return the SQL of a copy's time, as Django writes it: six digits of a fraction, never all zero."""
    instant = f"({name} + step * copy)"
    return (
        f"strftime('%Y-%m-%d %H:%M:%S', {instant} / 1000000, 'unixepoch')"
        f" || printf('.%06d', max({instant} % 1000000, 1))"
    )


def _script(engine: str, values: dict[str, object]) -> str:
    return (_SQL / f"scale.{engine}.sql").read_text(encoding="utf-8").format(**values)
