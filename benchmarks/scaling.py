"""Multiplies the rows of jobs, events and tasks by a factor, in SQL.

A copy differs from its original in its id and its timestamps only. Its timestamps lie between those of the
original and of the next row, so values keep their distribution and rows are written in order of their ids.
Indexes and counts are built after the rows. No other process may use the database meanwhile, and an
interrupted run leaves it unusable.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from django.db import connection
from django.db.models import DateTimeField, Model

from kyros.connection_urls import SQLITE_PRAGMAS
from orchestrator import counts
from orchestrator.demo.bulk_load import analyze
from orchestrator.models import Job, Task

#: One of so many copies of a job gets events, as if retention had deleted the others' events.
COPIES_PER_HISTORY: Final = 3
#: Three hexadecimal digits of an id hold the number of the copy.
MAX_FACTOR: Final = 0xFFF
_TABLES: Final = ("jobs", "events", "tasks")
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - naive and in UTC, as SQLite stores timestamps
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
_SQLITE_INDEXES_AND_TRIGGERS: Final = (
    "SELECT type, name, sql FROM sqlite_master"
    " WHERE tbl_name = ? AND type IN ('index', 'trigger') AND sql IS NOT NULL ORDER BY type"
)
_POSTGRESQL_KEYS: Final = (
    "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE conrelid = %s::regclass AND contype IN ('p', 'u')"
)
_POSTGRESQL_INDEXES: Final = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s"


def scale_rows(factor: int) -> None:
    """Replace each job and task by ``factor`` copies, and each event by a third as many.

    Args:
        factor: from 1 to ``MAX_FACTOR``.

    Raises:
        ValueError: the factor is out of range.
    """
    if not 1 <= factor <= MAX_FACTOR:
        raise ValueError(f"factor is {factor}; allowed: 1 to {MAX_FACTOR}")
    parameters: dict[str, object] = {
        "factor": factor,
        "copies_per_history": COPIES_PER_HISTORY,
        "job_columns": ", ".join(columns_of(Job)),
        "task_columns": ", ".join(columns_of(Task)),
    }
    values = _postgresql_values() if connection.vendor == "postgresql" else _sqlite_values()
    with bulk_writing() as execute:
        execute(_script(connection.vendor, {**parameters, **values}))


@contextmanager
def bulk_writing() -> Iterator[Callable[[str], Any]]:
    """Yield a function that executes SQL statements on jobs, events and tasks without indexes and triggers.

    At the end these are restored, the rows counted and the planner's statistics collected.
    """
    connection.ensure_connection()
    with _writing_postgresql() if connection.vendor == "postgresql" else _writing_sqlite() as execute:
        yield execute
    counts.verify(repair=True)
    analyze(connection)


@contextmanager
def _writing_postgresql() -> Iterator[Callable[[str], Any]]:
    raw: Any = connection.connection
    # In one transaction with the TRUNCATE: PostgreSQL then logs no rows (wal_level minimal).
    with raw.transaction(), raw.cursor() as cursor:
        cursor.execute(_POSTGRESQL_FAST)
        with _without_indexes_postgresql(cursor):
            yield cursor.execute


@contextmanager
def _without_indexes_postgresql(cursor: Any) -> Iterator[None]:
    """Disable the tables' triggers and drop their keys and indexes; restore them at the end."""
    restore = []
    for table in _TABLES:
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(_POSTGRESQL_KEYS, [table])
        for name, definition in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
            restore.append(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
        cursor.execute(_POSTGRESQL_INDEXES, [table])
        for name, definition in cursor.fetchall():
            cursor.execute(f"DROP INDEX {name}")
            restore.append(definition)
    yield
    for statement in restore:
        cursor.execute(statement)
    for table in _TABLES:
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


@contextmanager
def _writing_sqlite() -> Iterator[Callable[[str], Any]]:
    raw: Any = connection.connection
    raw.create_function("microseconds", 1, _microseconds, deterministic=True)
    raw.executescript(_SQLITE_FAST)
    with _without_indexes_sqlite(raw):
        yield raw.executescript
    raw.executescript(SQLITE_PRAGMAS)


@contextmanager
def _without_indexes_sqlite(raw: Any) -> Iterator[None]:
    """Drop the tables' triggers and indexes, except their keys; restore them at the end."""
    restore = []
    for table in _TABLES:
        for kind, name, sql in raw.execute(_SQLITE_INDEXES_AND_TRIGGERS, [table]).fetchall():
            raw.execute(f"DROP {kind} {name}")
            restore.append(sql)
    yield
    for sql in restore:
        raw.execute(sql)


def columns_of(model: type[Model]) -> list[str]:
    """Return the columns of a model but its id, which a copy does not share."""
    return [field.column for field in model._meta.concrete_fields if not field.primary_key]


def _timestamps(model: type[Model]) -> list[str]:
    fields = model._meta.concrete_fields
    return [field.column for field in fields if isinstance(field, DateTimeField)]


def _postgresql_values() -> dict[str, str]:
    """Return the SQL of the values of a copy's columns."""

    def values(model: type[Model]) -> str:
        shifted = _timestamps(model)
        return ", ".join(
            f"{column} + step * copy" if column in shifted else column for column in columns_of(model)
        )

    return {"job_values": values(Job), "task_values": values(Task)}


def _sqlite_values() -> dict[str, str]:
    """Return the SQL of the values of a copy's columns, and of the originals' timestamps in microseconds."""

    def values(model: type[Model]) -> str:
        shifted = _timestamps(model)
        return ", ".join(
            _shifted(f"{column}_us") if column in shifted else column for column in columns_of(model)
        )

    def microseconds(model: type[Model]) -> str:
        return ", ".join(f"microseconds({column}) AS {column}_us" for column in _timestamps(model))

    return {
        "job_values": values(Job),
        "job_microseconds": microseconds(Job),
        "task_values": values(Task),
        "task_microseconds": microseconds(Task),
        "event_created_at": _shifted("created_at_us"),
    }


def _microseconds(timestamp: str | None) -> int | None:
    """Return a column's timestamp in microseconds since 1970."""
    if timestamp is None:
        return None
    return int((datetime.fromisoformat(timestamp) - _EPOCH) / timedelta(microseconds=1))


def _shifted(microseconds: str) -> str:
    """Return the SQL of a copy's timestamp in Django's format: six digits of a second, never all zero."""
    shifted = f"({microseconds} + step * copy)"
    return (
        f"strftime('%Y-%m-%d %H:%M:%S', {shifted} / 1000000, 'unixepoch')"
        f" || printf('.%06d', max({shifted} % 1000000, 1))"
    )


def _script(engine: str, values: dict[str, object]) -> str:
    return (_SQL / f"scale.{engine}.sql").read_text(encoding="utf-8").format(**values)
