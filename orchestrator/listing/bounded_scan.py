"""Bounded scans: filters without an index are applied to at most 10,000 rows that an index gives in order.

A page that the scan does not fill says where the scan stopped, and the next page goes on from there. So a
page is short rather than slow, and every row that matches is reached.
"""

from collections.abc import Sequence
from typing import Any, Final

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Q, QuerySet

#: Rows that one page reads: some hundredths of a second.
SCAN_LIMIT: Final = 10_000

SQL = tuple[str, Sequence[Any]]


def select(walk: QuerySet[Any], residual: Q, selected: str, size: int) -> SQL:
    """Return the statement for the rows of a walk that match, and for the row where its scan stopped.

    The last column, ``scan_stopped``, is 0 for the rows that match. If they are fewer than ``size`` and the
    walk has at least ``SCAN_LIMIT`` rows, one more row follows: the last one scanned, with 1. If this row
    matches, it is in the result twice. ``selected`` is SQL for the columns of the result.
    """
    connection = connections[walk.db]
    scanned, scanned_parameters = _sql(walk[:SCAN_LIMIT], connection)
    stop, stop_parameters = _sql(walk.values_list("id")[SCAN_LIMIT - 1 : SCAN_LIMIT], connection)
    where, where_parameters = _where(walk, residual, connection)
    table, order = connection.ops.quote_name(walk.model._meta.db_table), _order(walk, connection)
    # PostgreSQL sees that the scanned rows are in order. SQLite would sort them again, and so read all of
    # them; without the clause it reads them one by one, in the subquery's order, until enough match.
    in_order = "" if connection.vendor == "sqlite" else f"ORDER BY {order}"
    # PostgreSQL and SQLite run the second part only when the first one does not fill the limit. The join
    # reads the whole rows, by their keys.
    sql = f"""
        SELECT {selected}, found.scan_stopped FROM (
            SELECT id, 0 AS scan_stopped FROM (
                SELECT id FROM ({scanned}) AS {table} WHERE {where} {in_order} LIMIT {size}
            ) AS matching
            UNION ALL SELECT id, 1 FROM ({stop}) AS stopped
            LIMIT {size}
        ) AS found CROSS JOIN {table} WHERE {table}.id = found.id ORDER BY found.scan_stopped, {order}
    """  # noqa: S608 - made of SQL that Django has compiled; the values are parameters
    return sql, (*scanned_parameters, *where_parameters, *stop_parameters)


def count(walk: QuerySet[Any], residual: Q, limit: int) -> int | None:
    """Return how many rows of a walk match, or None if it has more than ``limit`` rows."""
    connection = connections[walk.db]
    scanned, scanned_parameters = _sql(walk[: limit + 1], connection)
    where, where_parameters = _where(walk, residual, connection) if residual else ("1 = 1", ())
    table = connection.ops.quote_name(walk.model._meta.db_table)
    sql = f"SELECT count(*), count(CASE WHEN {where} THEN 1 END) FROM ({scanned}) AS {table}"  # noqa: S608 - as above
    with connection.cursor() as cursor:
        cursor.execute(sql, (*where_parameters, *scanned_parameters))
        rows, matching = cursor.fetchone()
    return None if rows > limit else int(matching)


def _sql(rows: QuerySet[Any], connection: BaseDatabaseWrapper) -> SQL:
    sql, parameters = rows.query.get_compiler(connection=connection).as_sql()
    return sql, parameters


def _where(walk: QuerySet[Any], residual: Q, connection: BaseDatabaseWrapper) -> SQL:
    """Return the SQL of a condition, in which columns are qualified with the table's name."""
    query = walk.model._default_manager.filter(residual).query
    sql, parameters = query.get_compiler(connection=connection).compile(query.where)
    return sql, parameters


def _order(walk: QuerySet[Any], connection: BaseDatabaseWrapper) -> str:
    table = connection.ops.quote_name(walk.model._meta.db_table)
    terms = [str(term) for term in walk.query.order_by]
    return ", ".join(
        f"{table}.{connection.ops.quote_name(term.lstrip('-'))}{' DESC' * term.startswith('-')}"
        for term in terms
    )
