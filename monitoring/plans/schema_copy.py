"""Copies of a SQLite schema in memory, without rows, to plan queries on without touching the file."""

import sqlite3
from functools import lru_cache
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper

_SCHEMA_SQL: Final = """
    SELECT sql FROM sqlite_schema
    WHERE type IN ('table', 'index') AND sql IS NOT NULL AND name <> %s
      AND name NOT LIKE 'sqlite~_%%' ESCAPE '~'
    ORDER BY type DESC, rowid
"""
_HAS_STATISTICS_SQL: Final = "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'"
_STATISTICS_SQL: Final = "SELECT tbl, idx, stat FROM sqlite_stat1 WHERE idx IS NULL OR idx <> %s"

Rows = tuple[tuple[Any, ...], ...]


class _Copy(sqlite3.Connection):
    """A connection that is closed when it is garbage collected."""

    def __del__(self) -> None:
        self.close()


def schema_copy(connection: BaseDatabaseWrapper, without: str, *, statistics: bool) -> sqlite3.Connection:
    """Return a copy of the schema without an index ("" for none), with statistics or without them."""
    schema = tuple(sql for (sql,) in _rows(connection, _SCHEMA_SQL, [without]))
    if not statistics:
        return _copy(schema, None)
    analyzed = _rows(connection, _HAS_STATISTICS_SQL)
    return _copy(schema, _rows(connection, _STATISTICS_SQL, [without]) if analyzed else ())


@lru_cache(maxsize=4)
def _copy(schema: tuple[str, ...], statistics: Rows | None) -> sqlite3.Connection:
    copy = sqlite3.connect(":memory:", check_same_thread=False, factory=_Copy)
    for sql in schema:
        copy.execute(sql)
    if statistics is not None:
        copy.execute("ANALYZE")  # creates the table of statistics
        copy.executemany("INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", statistics)
        copy.execute("ANALYZE sqlite_schema")  # loads it
    return copy


def _rows(connection: BaseDatabaseWrapper, sql: str, parameters: Any = None) -> Rows:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return tuple(cursor.fetchall())
