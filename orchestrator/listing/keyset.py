"""Keyset pages: the rows after a position, by one comparison of row values: ``(created_at, id) < (?, ?)``.

An index on the leading columns serves such a comparison as a single range. For SQLite, Django would write a
chain of OR instead, which takes two searches and a sort, although every SQLite that Django supports has row
values.
"""

from collections.abc import Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan, TupleLookupMixin
from django.db.models.sql.compiler import SQLCompiler


class _RowValue(TupleLookupMixin):
    """A comparison that is written as a row value on every engine."""

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Any:
        return super(TupleLookupMixin, self).as_sql(compiler, connection)  # type: ignore[misc]


class _RowLessThan(_RowValue, TupleLessThan):
    pass


class _RowGreaterThan(_RowValue, TupleGreaterThan):
    pass


def ordered_after(
    rows: QuerySet[Any], columns: Sequence[str], position: Sequence[Any], *, descending: bool
) -> QuerySet[Any]:
    """Return the rows after a position, in order.

    Args:
        rows: the list's rows.
        columns: the columns of the order; none is NULL in any of the rows.
        position: their values at the position, also as JSON has them; none for the list's end.
        descending: whether all columns descend.
    """
    if position:
        rows = rows.filter(_comparison(rows.model, columns, position, descending=descending))
        # Of several lower (or upper) bounds of a column SQLite uses the first one to search the index, and
        # only filters by the others. The position is the tightest bound, so it comes first; otherwise a page
        # would cost more, the deeper it is.
        conditions = rows.query.where.children
        conditions.insert(0, conditions.pop())
    sign = "-" if descending else ""
    return rows.order_by(*(f"{sign}{column}" for column in columns))


def _comparison(
    model: type[Model], columns: Sequence[str], position: Sequence[Any], *, descending: bool
) -> _RowValue:
    fields: list[Any] = [model._meta.get_field(column) for column in columns]
    values = tuple(field.to_python(value) for field, value in zip(fields, position, strict=True))
    return (_RowLessThan if descending else _RowGreaterThan)(Tuple(*columns), values)
