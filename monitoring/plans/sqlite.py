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
#: How the part of an order that the index does not give is called where it is the last column. The second is
#: of SQLite before 3.45, which does not say how many columns the part has.
_LAST_COLUMN: Final = ("LAST TERM OF ", "RIGHT PART OF ")
#: What stands on its own in a plan and is no way to the rows that were asked for.
_ASIDE: Final = re.compile(r"(LIST|SCALAR|CORRELATED LIST|CORRELATED SCALAR) SUBQUERY|CO-ROUTINE|MATERIALIZE")
_NUMBERS: Final = count()
#: Steps of SQLite's machine between two looks at the clock: a fraction of a millisecond.
_STEPS_A_LOOK: Final = 10_000


@contextmanager
def reader(connection: BaseDatabaseWrapper) -> Iterator[Reader]:
    """Yield what reads the plans that SQLite makes now."""
    yield partial(read, connection)


@contextmanager
def reader_without(connection: BaseDatabaseWrapper, index: Index) -> Iterator[Reader]:
    """Yield what reads the plans that SQLite would make without an index, with the statistics that it has."""
    yield partial(read, connection, without=index.name)


def read(connection: BaseDatabaseWrapper, statement: Statement, reading: Reading, without: str = "") -> Plan:
    """Return how SQLite answers a query.

    ``penalized`` asks about tables of the same schema that nobody has looked into: of those SQLite does not
    know that they are small.
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
        copy = schema_copy.copy_of(connection, without, statistics=not reading.penalized)
        with connection.wrap_database_errors:
            sql = statement.sql % (("?",) * len(statement.parameters))
            return copy.execute(f"EXPLAIN QUERY PLAN {sql}", tuple(statement.parameters)).fetchall()
    with connection.cursor() as cursor:
        # A new text each time: a statement that Python has kept would tell of an index that is gone.
        cursor.execute(f"EXPLAIN QUERY PLAN /* {next(_NUMBERS)} */ {statement.sql}", statement.parameters)
        return list(cursor.fetchall())


def _main_steps(rows: list[tuple[int, int, int, str]]) -> Iterator[str]:
    """Yield the steps that lead to the rows that were asked for, subqueries left out."""
    aside: set[int] = set()
    for number, parent, _, detail in rows:
        if parent in aside or _ASIDE.match(detail):
            aside.add(number)
        else:
            yield detail


def _columns(conditions: str) -> Iterator[str]:
    """Yield the columns of conditions such as ``status=? AND (created_at,id)<(?,?)``."""
    for condition in conditions.split(" AND "):
        left = re.split(r"[<=>]", condition, maxsplit=1)
        if len(left) > 1:  # else ANY(column): skipped over
            yield from re.findall(r"\w+", left[0])


def _name(access: re.Match[str]) -> str:
    index = access["index"]
    return PRIMARY_KEY if index is None or _is_primary(index) else index


def _is_primary(index: str) -> bool:
    # SQLite makes the indexes of a table's own uniqueness in the order they are declared in, the key's first.
    return index.startswith("sqlite_autoindex_") and index.endswith("_1")


def _sort(steps: list[str]) -> Sort:
    parts = [match["part"] for match in map(_SORT.match, steps) if match]
    if not parts:
        return Sort.NONE
    return Sort.TIES if all(part in _LAST_COLUMN for part in parts) else Sort.FULL


def _run(connection: BaseDatabaseWrapper, statement: Statement, seconds: float) -> tuple[float, int]:
    with connection.cursor() as cursor, _no_longer_than(connection, seconds):
        started = time.perf_counter()
        cursor.execute(statement.sql, statement.parameters)
        rows = len(cursor.fetchall())
        return _elapsed(started), rows


@contextmanager
def _no_longer_than(connection: BaseDatabaseWrapper, seconds: float) -> Iterator[None]:
    until = time.monotonic() + seconds
    connection.connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS_A_LOOK)
    try:
        yield
    finally:
        connection.connection.set_progress_handler(None, 0)


def _elapsed(started: float) -> float:
    return (time.perf_counter() - started) * 1000
