"""Inserts many rows without Django's models, in the fastest way that each engine has."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, count
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from orchestrator.cache import tags
from orchestrator.cache.commit_hook import invalidate
from orchestrator.demo.seed_plan import SeedPlan, TableRows
from orchestrator.models import Event, Job, Task, User

_MODELS: Final[dict[str, type[Job | Event | Task | User]]] = {
    "jobs": Job,
    "events": Event,
    "tasks": Task,
    "users": User,
}

# SQLite's page cache and the size of its write-ahead log while rows are loaded; both are restored afterwards.
# Every index writes to pages of its own, so a load touches many pages.
_SQLITE_CACHE_KIB: Final = 128 * 1024
_SQLITE_LOG_PAGES: Final = 16 * 1024
# Rows for each INSERT. More rows would not be faster: the triggers for each row take most of the time.
_SQLITE_STATEMENT_ROWS: Final = 200


def load(
    plan: SeedPlan, *, progress: Callable[[int], object], using: str = DEFAULT_DB_ALIAS
) -> dict[str, int]:
    """Insert the rows of a plan and update the planner's statistics.

    Each batch is one transaction, so a job and its events are inserted together, and other writes wait for
    one batch at most. The tables' triggers invalidate the cache.

    Args:
        plan: the rows to add. If the database has them already, the next series of the plan is added.
        progress: called after each batch with its share of ``plan.entries``.
        using: the database's alias.

    Returns:
        The number of rows added, by table.
    """
    loaded = Counter(dict.fromkeys(_MODELS, 0))
    connection = connections[using]
    with _tuned(connection):
        for batch in _next_series(plan, using).batches():
            with transaction.atomic(using=using):
                for rows in batch.tables:
                    _insert(connection, _with_defaults(connection, rows))
            loaded.update({rows.table: len(rows.rows) for rows in batch.tables})
            progress(batch.entries)
        analyze(connection)
    return dict(loaded)


def _next_series(plan: SeedPlan, using: str) -> SeedPlan:
    """Return the plan with the first series whose rows are not in the database."""
    return next(
        free for free in (replace(plan, series=series) for series in count()) if not _is_present(free, using)
    )


def _is_present(plan: SeedPlan, using: str) -> bool:
    """Return whether the first row of any table, or any user name or email address, exists already."""
    return any(
        _MODELS[table].objects.using(using).filter(**{f"{column}__in": values}).exists()
        for table, column, values in plan.identifying_values()
    )


@contextmanager
def _tuned(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Tune the connection for a bulk load while the context lasts."""
    if connection.vendor != "sqlite":
        yield
        return
    pragmas = {"cache_size": -_SQLITE_CACHE_KIB, "wal_autocheckpoint": _SQLITE_LOG_PAGES}
    with connection.cursor() as cursor:
        before = {name: cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas}
        _set(cursor, pragmas)
        try:
            yield
        finally:
            _set(cursor, before)


def _set(cursor: Any, pragmas: dict[str, int]) -> None:
    for name, value in pragmas.items():
        cursor.execute(f"PRAGMA {name} = {value}")


def _with_defaults(connection: BaseDatabaseWrapper, rows: TableRows) -> TableRows:
    """Add columns that the demo does not set and whose default only Django knows, not the database."""
    fields = [
        field
        for field in _MODELS[rows.table]._meta.concrete_fields
        if field.column not in rows.columns and field.has_default() and not field.has_db_default()
    ]
    values = [field.get_db_prep_save(field.get_default(), connection) for field in fields]
    columns = (*rows.columns, *(str(field.column) for field in fields))
    return rows._replace(columns=columns, rows=[(*row, *values) for row in rows.rows]) if fields else rows


def _insert(connection: BaseDatabaseWrapper, rows: TableRows) -> None:
    into = f"{rows.table} ({', '.join(rows.columns)})"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with connection.wrap_database_errors, cursor.copy(f"COPY {into} FROM STDIN") as copy:
                for row in rows.rows:
                    copy.write_row(row)
            # The cache's commit hook sees Django's statements only, and COPY is none of them.
            invalidate(connection.alias, *tags.TABLE_TAGS[rows.table])
            return
        placeholders = f"({', '.join(['%s'] * len(rows.columns))})"
        for start in range(0, len(rows.rows), _SQLITE_STATEMENT_ROWS):
            some = rows.rows[start : start + _SQLITE_STATEMENT_ROWS]
            statement = f"INSERT INTO {into} VALUES {', '.join([placeholders] * len(some))}"  # noqa: S608 - our own names
            cursor.execute(statement, list(chain.from_iterable(some)))


def analyze(connection: BaseDatabaseWrapper) -> None:
    """Update the planner's statistics, so that the first queries have good plans already."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"ANALYZE {', '.join(_MODELS)}")
        else:
            # A full scan, not a sample: from a sample SQLite concludes that a status alone is as selective as
            # a status with a priority. It takes two seconds for a million jobs.
            cursor.execute("PRAGMA analysis_limit = 0")
            for table in _MODELS:
                cursor.execute(f"ANALYZE {table}")
