"""The way of many rows into the database, past Django's models: the fastest that each engine has."""

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
from orchestrator.demo.seed_plan import Rows, SeedPlan
from orchestrator.models import Event, Job, Task, User

_MODELS: Final[dict[str, type[Job | Event | Task | User]]] = {
    "jobs": Job,
    "events": Event,
    "tasks": Task,
    "users": User,
}

# While rows are loaded into SQLite: memory for the pages, of which every index touches its own, and how long
# the log may get before it is written back. Both are put back after.
_SQLITE_CACHE_KIB: Final = 128 * 1024
_SQLITE_LOG_PAGES: Final = 16 * 1024
# Rows a statement: where triggers look at every row, starting a statement is what costs most.
_SQLITE_STATEMENT_ROWS: Final = 200


def load(
    plan: SeedPlan, *, progress: Callable[[int], object], using: str = DEFAULT_DB_ALIAS
) -> dict[str, int]:
    """Put the rows of a plan into the database, and tell the planner of them.

    Each batch is a transaction of its own: jobs come with their events, and nobody else's write waits for
    longer than one batch takes. The cache hears of it as of any other, by the tables' triggers.

    Args:
        plan: what to add; where the database holds it already, the next free series of it is added.
        progress: called after each batch with its share of ``plan.entries``.
        using: the database's alias.

    Returns:
        How many rows were added, by table.
    """
    loaded = Counter(dict.fromkeys(_MODELS, 0))
    connection = connections[using]
    with _prepared(connection):
        for batch in _free(plan, using).batches():
            with transaction.atomic(using=using):
                for rows in batch.tables:
                    _insert(connection, _with_defaults(connection, rows))
            loaded.update({rows.table: len(rows.rows) for rows in batch.tables})
            progress(batch.entries)
        analyze(connection)
    return dict(loaded)


def _free(plan: SeedPlan, using: str) -> SeedPlan:
    """Return the first series of a plan whose rows are not in the database."""
    return next(
        free for free in (replace(plan, series=series) for series in count()) if not _is_present(free, using)
    )


def _is_present(plan: SeedPlan, using: str) -> bool:
    """Tell whether the first row of any table is there already, or one of the users' names or addresses."""
    return any(
        _MODELS[table].objects.using(using).filter(**{f"{column}__in": values}).exists()
        for table, column, values in plan.landmarks()
    )


@contextmanager
def _prepared(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Give this connection what a bulk load needs, for as long as it lasts."""
    if connection.vendor != "sqlite":
        yield
        return
    pragmas = {"cache_size": -_SQLITE_CACHE_KIB, "wal_autocheckpoint": _SQLITE_LOG_PAGES}
    with connection.cursor() as cursor:
        usual = {name: cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas}
        _set(cursor, pragmas)
        try:
            yield
        finally:
            _set(cursor, usual)


def _set(cursor: Any, pragmas: dict[str, int]) -> None:
    for name, value in pragmas.items():
        cursor.execute(f"PRAGMA {name} = {value}")


def _with_defaults(connection: BaseDatabaseWrapper, rows: Rows) -> Rows:
    """Add the columns that the demo does not set and for which only Python has a default."""
    fields = [
        field
        for field in _MODELS[rows.table]._meta.concrete_fields
        if field.column not in rows.columns and field.has_default() and not field.has_db_default()
    ]
    values = [field.get_db_prep_save(field.get_default(), connection) for field in fields]
    columns = (*rows.columns, *(str(field.column) for field in fields))
    return rows._replace(columns=columns, rows=[(*row, *values) for row in rows.rows]) if fields else rows


def _insert(connection: BaseDatabaseWrapper, rows: Rows) -> None:
    into = f"{rows.table} ({', '.join(rows.columns)})"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with connection.wrap_database_errors, cursor.copy(f"COPY {into} FROM STDIN") as copy:
                for row in rows.rows:
                    copy.write_row(row)
            # Not seen by what watches Django's statements.
            invalidate(connection.alias, *tags.TABLE_TAGS[rows.table])
            return
        placeholders = f"({', '.join(['%s'] * len(rows.columns))})"
        for start in range(0, len(rows.rows), _SQLITE_STATEMENT_ROWS):
            some = rows.rows[start : start + _SQLITE_STATEMENT_ROWS]
            statement = f"INSERT INTO {into} VALUES {', '.join([placeholders] * len(some))}"  # noqa: S608 - names of ours
            cursor.execute(statement, list(chain.from_iterable(some)))


def analyze(connection: BaseDatabaseWrapper) -> None:
    """Have the engine look at what the tables hold now, so that it plans well from the first query on."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"ANALYZE {', '.join(_MODELS)}")
        else:
            # Whole: of a sample SQLite takes a status to be as rare as one of a priority, too. It takes two
            # seconds a million jobs.
            cursor.execute("PRAGMA analysis_limit = 0")
            for table in _MODELS:
                cursor.execute(f"ANALYZE {table}")
