"""Lists of any filter and any size, by page, at a cost that does not depend on how many rows there are.

What indexes find is walked in an index's order. A filter that no index serves is put to the rows on the way,
and a page looks at so many rows at most: where they do not fill it, it says where it stopped, and the next
page goes on from there. So every row that matches is reached, and no page is slow because few match.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import connections
from django.db.models import QuerySet

from orchestrator.cursors import Cursor
from orchestrator.pagination import Order
from orchestrator.rows import found_beyond

#: Rows that one page looks at: some hundredths of a second.
LOOKED_AT: Final = 10_000

Narrowing = Callable[[QuerySet[Any]], QuerySet[Any]]


@dataclass(frozen=True)
class Listing:
    """The rows of a list.

    Attributes:
        found: those that indexes find.
        order: theirs; an index gives it.
        rest: returns those of some rows that pass the filters that no index serves; None where there is none.
    """

    found: QuerySet[Any]
    order: Order
    rest: Narrowing | None = None

    @property
    def shown(self) -> QuerySet[Any]:
        """Return all rows of the list, in no order."""
        return self.found if self.rest is None else self.rest(self.found)

    def narrowed(self, narrowing: Narrowing) -> "Listing":
        """Return the list of those rows that pass one more filter, which indexes serve too."""
        return Listing(narrowing(self.found), self.order, self.rest)

    def beginning(self, cursor: Cursor) -> QuerySet[Any]:
        """Return the rows that indexes find from a cursor on, in the direction that it looks."""
        rows, backward = self.found, cursor.backward
        if cursor.position:
            descending = self.order.descending is not backward
            rows = found_beyond(rows, self.order.columns, cursor.position, descending=descending)
        return rows.order_by(*self.order.fields(backward=backward))


@dataclass(frozen=True)
class Page:
    """A page of a list.

    Attributes:
        rows: the page, in the list's order.
        previous: where the page before it is, or None for the first.
        following: where the page after it is, or None for the last.
        stopped: whether it ends where it had looked at as many rows as it may.
    """

    rows: tuple[Any, ...]
    previous: Cursor | None
    following: Cursor | None
    stopped: bool


def page(listing: Listing, cursor: Cursor, size: int) -> Page:
    """Return a page of a list.

    Args:
        listing: the list.
        cursor: where the page begins; its values are as the columns have them.
        size: rows of the page, at most.
    """
    walk = listing.beginning(cursor)
    if listing.rest is None:
        rows = list(walk[: size + 1])
    else:
        fields = listing.order.fields(backward=cursor.backward)
        rows = passing(walk[:LOOKED_AT], listing.rest, fields, size + 1)
    more, rows = len(rows) > size, rows[:size]
    near = listing.order.position(rows[0]) if rows else ()
    far = listing.order.position(rows[-1]) if more else None
    if listing.rest is not None and not more:
        near = near or end_of(listing, walk, 1)
        far = end_of(listing, walk, LOOKED_AT) or None
    behind = Cursor(not cursor.backward, near) if cursor.position else None
    ahead = Cursor(cursor.backward, far) if far else None
    if cursor.backward:
        return Page(tuple(rows[::-1]), ahead, behind, far is not None and not more)
    return Page(tuple(rows), behind, ahead, far is not None and not more)


def passing(
    walk: QuerySet[Any], rest: Narrowing, order: Sequence[str], most: int, *, shown: bool = True
) -> list[Any]:
    """Return those of the rows of a walk that pass filters, in its order.

    Args:
        walk: rows in an order, cut off after a number of them.
        rest: the filters; of the table's own columns.
        order: the walk's columns, each with its sign.
        most: rows to return, at most.
        shown: whether more than the ids of the rows is asked for.
    """
    rows, connection = walk.model.objects.using(walk.db), connections[walk.db]
    # The walk is a query of its own, that no planner turns into another: what is not served by its index is
    # only put to the rows that it gives, which go by the table's name.
    inner, parameters = walk.defer(None).query.get_compiler(connection=connection).as_sql()
    filtered = rest(rows).query
    where, values = filtered.get_compiler(connection=connection).compile(filtered.where)
    quoted = connection.ops.quote_name
    ordered = ", ".join(f"{quoted(name.lstrip('-'))}{' DESC' * name.startswith('-')}" for name in order)
    table, columns = quoted(walk.model._meta.db_table), "*" if shown else quoted("id")
    # Of parts that Django has compiled; their values are apart.
    sql = f"SELECT {columns} FROM ({inner}) AS {table} WHERE {where} ORDER BY {ordered} LIMIT %s"  # noqa: S608
    return list(rows.raw(sql, [*parameters, *values, most]))


def end_of(listing: Listing, walk: QuerySet[Any], number: int) -> tuple[Any, ...]:
    """Return where the last of the first rows of a walk stands; nothing where it has not so many.

    Args:
        listing: the list.
        walk: its rows, from somewhere on.
        number: how many rows.
    """
    return next(iter(walk.values_list(*listing.order.columns)[number - 1 : number]), ())
