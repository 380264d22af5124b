"""Plans of SQLite, from ``EXPLAIN QUERY PLAN`` (https://sqlite.org/eqp.html)."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Final

from django.db.backends.base.base import BaseDatabaseWrapper

from monitoring.index_catalog import Index
from monitoring.plans import schema_copy
from monitoring.plans.plan import PRIMARY_KEY, Plan, Reader, Reading, Sort, Statement

_ACCESS: Final = re.compile(
    r"(?P<how>SEARCH|SCAN) \S+(?: AS \S+)?"
    r"(?: USING (?:(?:AUTOMATIC )?(?:PARTIAL )?(?:COVERING )?INDEX (?P<index>\S+)|INTEGER PRIMARY KEY))?"
    r"(?: \((?P<conditions>.*)\))?"
)
_SORT: Final = re.compile(r"USE TEMP B-TREE FOR (?P<part>.*)ORDER BY")
#: SQLite's words for a sort by the last column only. The second are those of SQLite before 3.45, which do not
#: say how many columns are sorted.
_LAST_COLUMN: Final = ("LAST TERM OF ", "RIGHT PART OF ")
#: Parts of a plan that are subqueries, not the access path to the result.
_SUBQUERY: Final = re.compile(
    r"(LIST|SCALAR|CORRELATED LIST|CORRELATED SCALAR) SUBQUERY|CO-ROUTINE|MATERIALIZE"
)
_NUMBERS: Final = count()
#: Virtual machine instructions between two checks of the time limit: a fraction of a millisecond.
_CHECK_EVERY: Final = 10_000


@contextmanager
def reader(connection: BaseDatabaseWrapper, without: Index | None = None) -> Iterator[Reader]:
    """Yield a reader of SQLite's plans; those without an index are the ones it would choose."""
    yield partial(read, connection, without=without.name if without else "")


def read(connection: BaseDatabaseWrapper, statement: Statement, reading: Reading, without: str = "") -> Plan:
    """Return the plan of a query.

    ``penalized`` plans on a copy of the schema without statistics, where SQLite does not know that the tables
    are small.
    """
    started = time.perf_counter()
    steps = list(_main_steps(_explain(connection, statement, reading, without)))
    milliseconds, rows = _elapsed(started), None
    if reading.analyze:
        milliseconds, rows = _run(connection, statement, reading.seconds)
    accesses = [match for match in map(_ACCESS.match, steps) if match]
    conditions = tuple(column for access in accesses for column in _columns(access["conditions"] or ""))
    return Plan(
        indexes=tuple(_name(access) for access in accesses if " USING " in access[0]),
        conditions=conditions,
        full_scan=any(access["how"] == "SCAN" for access in accesses),
        sort=_sort(steps),
        ms=milliseconds,
        rows=rows,
    )


def _explain(
    connection: BaseDatabaseWrapper, statement: Statement, reading: Reading, without: str
) -> list[tuple[int, int, int, str]]:
    if reading.penalized or without:
        copy = schema_copy.schema_copy(connection, without, statistics=not reading.penalized)
        with connection.wrap_database_errors:
            sql = statement.sql % (("?",) * len(statement.parameters))
            return copy.execute(f"EXPLAIN QUERY PLAN {sql}", tuple(statement.parameters)).fetchall()
    with connection.cursor() as cursor:
        # A new text each time: a cached statement could still use an index that was dropped.
        cursor.execute(f"EXPLAIN QUERY PLAN /* {next(_NUMBERS)} */ {statement.sql}", statement.parameters)
        return list(cursor.fetchall())


def _main_steps(rows: list[tuple[int, int, int, str]]) -> Iterator[str]:
    """Yield the steps that lead to the result, without those of subqueries."""
    subqueries: set[int] = set()
    for number, parent, _, detail in rows:
        if parent in subqueries or _SUBQUERY.match(detail):
            subqueries.add(number)
        else:
            yield detail


def _columns(conditions: str) -> Iterator[str]:
    """Yield the columns of conditions such as ``status=? AND (created_at,id)<(?,?)``."""
    for condition in conditions.split(" AND "):
        left = re.split(r"[<=>]", condition, maxsplit=1)
        if len(left) > 1:  # else ANY(column): skipped over
            yield from re.findall(r"\w+", left[0])


def _name(access: re.Match[str]) -> str:
    index: str | None = access["index"]
    # SQLite numbers the automatic indexes in the order of the table's constraints, the primary key first.
    if index is None or re.fullmatch("sqlite_autoindex_.*_1", index):
        return PRIMARY_KEY
    return index


def _sort(steps: list[str]) -> Sort:
    parts = [match["part"] for match in map(_SORT.match, steps) if match]
    if not parts:
        return Sort.NONE
    return Sort.TIES if all(part in _LAST_COLUMN for part in parts) else Sort.FULL


def _run(connection: BaseDatabaseWrapper, statement: Statement, seconds: float) -> tuple[float, int]:
    """Return the milliseconds and the rows of a query; interrupt it at its time limit."""
    started = time.perf_counter()
    until = started + seconds
    connection.ensure_connection()
    connection.connection.set_progress_handler(lambda: time.perf_counter() > until, _CHECK_EVERY)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement.sql, statement.parameters)
            rows = len(cursor.fetchall())
    finally:
        connection.connection.set_progress_handler(None, 0)
    return _elapsed(started), rows


def _elapsed(started: float) -> float:
    return (time.perf_counter() - started) * 1000
