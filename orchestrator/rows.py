"""Comparisons of several columns at once, as SQL row values: ``(created_at, id) < (?, ?)``.

An index on the leading columns serves one as a single range, where a chain of OR is two searches and a sort.
Django writes that chain for SQLite, which has had row values since 3.15, older than any that Django admits.
"""

from collections.abc import Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan, TupleLookupMixin
from django.db.models.sql.compiler import SQLCompiler


class _RowValue(TupleLookupMixin):
    """A comparison that is written as a row value on every engine."""

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Any:
        """Return the comparison's SQL and parameters."""
        return super(TupleLookupMixin, self).as_sql(compiler, connection)  # type: ignore[misc]


class _RowLessThan(_RowValue, TupleLessThan):
    """Rows before a position in ascending order."""


class _RowGreaterThan(_RowValue, TupleGreaterThan):
    """Rows after a position in ascending order."""


def _beyond(columns: Sequence[str], position: Sequence[Any], *, descending: bool) -> TupleLookupMixin:
    """Return the condition that a row comes after a position.

    Args:
        columns: the names of the columns that order the rows.
        position: their values there; none is null.
        descending: whether all of them descend.
    """
    comparison = _RowLessThan if descending else _RowGreaterThan
    return comparison(Tuple(*columns), tuple(position))


def found_beyond(
    rows: QuerySet[Any], columns: Sequence[str], position: Sequence[Any], *, descending: bool
) -> QuerySet[Any]:
    """Return those rows that come after a position.

    Of several conditions on one side of a column SQLite searches by the first, and walks to what the others
    admit. The position is the nearest, so it stands first: the last page costs what the first does.

    Args:
        rows: what has been chosen so far.
        columns: the names of the columns that order the rows.
        position: their values there; none is null.
        descending: whether all of them descend.
    """
    later = rows.filter(_beyond(columns, position, descending=descending))
    conditions = later.query.where.children
    conditions.insert(0, conditions.pop())
    return later
