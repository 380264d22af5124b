"""A page of a list: one statement, whatever the filters, the order, the depth and the size of the table."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, Final

from django.db import connections, router
from django.db.models import Q, QuerySet, Value

from orchestrator.db import replicas
from orchestrator.json_codec import from_json
from orchestrator.limits import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE
from orchestrator.listing import bounded_scan
from orchestrator.listing.access_paths import AccessPath, access_path
from orchestrator.listing.bounded_scan import SQL
from orchestrator.listing.cursors import Cursor
from orchestrator.listing.definition import Conditions, ListDefinition, Order
from orchestrator.listing.json_rows import RowAsJSON, object_sql
from orchestrator.listing.keyset import ordered_after

_FIRST: Final = Cursor()


@dataclass(frozen=True)
class Page:
    """A page of a list.

    Attributes:
        rows: the page, in the list's order: model instances, or texts of JSON.
        next: where the next page begins, or None for the last page.
        previous: where the page before begins, or None for the first page.
        scan_stopped: whether the page ends where a bounded scan stopped.
    """

    rows: Sequence[Any]
    next: Cursor | None
    previous: Cursor | None
    scan_stopped: bool = False


@dataclass(frozen=True)
class Selection:
    """The rows of a list in an order.

    Args:
        definition: the list.
        conditions: values by the names of filters.
        order: one that the list serves with these filters.
        also: a further condition, which no index has to serve.
        base: the rows to choose from; by default all.
    """

    definition: ListDefinition
    conditions: Conditions
    order: Order
    also: Q = field(default_factory=Q)
    base: QuerySet[Any] | None = None

    @classmethod
    def of_ids(cls, definition: ListDefinition, ids: Collection[Any]) -> "Selection":
        """Return the rows with some ids."""
        rows = definition.model._default_manager.filter(pk__in=ids)
        return cls(definition, {}, definition.orders[0], base=rows)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a position in the list."""
        return self._path.columns

    @property
    def residual(self) -> Q:
        """The conditions that the index does not serve."""
        names = [name for name in self.conditions if name not in self._path.served]
        return self.definition.condition(self.conditions, names) & self.also

    @property
    def all_rows(self) -> QuerySet[Any]:
        """All rows, in no order."""
        return self._base.filter(self.definition.condition(self.conditions), self.also)

    def walk(self, cursor: Cursor = _FIRST) -> QuerySet[Any]:
        """Return the rows that the index gives, from a cursor on, in the cursor's direction."""
        rows = self._base.filter(self.definition.condition(self.conditions, self._path.served))
        descending = self.order.descending is not cursor.backward
        return ordered_after(rows, self.columns, cursor.position, descending=descending)

    def count(self, limit: int | None = None) -> int | None:
        """Return how many rows there are, or None if it takes more than ``limit`` or ``SCAN_LIMIT`` rows."""
        residual = self.residual
        walk = self.walk()
        narrow = walk.defer(*self.definition.deferred) if residual else walk.values_list(*self.columns)
        return bounded_scan.count(narrow, residual, limit or bounded_scan.SCAN_LIMIT)

    def page(
        self, cursor: Cursor = _FIRST, size: int = DEFAULT_PAGE_SIZE, *, json: tuple[str, ...] = ()
    ) -> Page:
        """Return a page of at most ``size`` rows: JSON of the fields ``json``, or model instances."""
        found = _found(self, cursor, size + 1, json)
        stop = found.pop()[0] if found and found[-1][1] else None
        rows = [row for row, _ in found[:size]]
        is_full = len(found) > size
        near = self._position(rows[0] if rows else stop)
        far = self._position(rows[-1] if is_full else stop)
        behind = Cursor(not cursor.backward, near) if cursor.position else None
        ahead = Cursor(cursor.backward, far) if far else None
        stopped = ahead is not None and not is_full
        if cursor.backward:
            return Page(rows[::-1], behind, ahead, stopped)
        return Page(rows, ahead, behind, stopped)

    def pages(self, *, json: tuple[str, ...] = ()) -> Iterator[Page]:
        """Yield all pages, each read when it is needed, from a replica if possible."""
        cursor: Cursor | None = _FIRST
        while cursor is not None:
            one = replicas.read(partial(self.page, cursor, MAX_PAGE_SIZE, json=json))
            yield one
            cursor = one.next

    def _position(self, row: Any) -> tuple[Any, ...]:
        """Return the position of a row, or an empty one for None."""
        if row is None:
            return ()
        if isinstance(row, str):
            values = from_json(row)
            return tuple(values[column] for column in self.columns)
        return tuple(getattr(row, column) for column in self.columns)

    @property
    def _base(self) -> QuerySet[Any]:
        return self.definition.model._default_manager.all() if self.base is None else self.base

    @property
    def _path(self) -> AccessPath:
        return access_path(self.definition, self.conditions, self.order)


def _found(selection: Selection, cursor: Cursor, size: int, json: tuple[str, ...]) -> list[Any]:
    """Return pairs of a row and 0; a 1 in the last pair means that its row marks where the scan stopped."""
    definition = selection.definition
    if not (json or selection.residual):
        return [(row, 0) for row in selection.walk(cursor).defer(*definition.deferred)[:size]]
    if selection == Selection(definition, {}, selection.order) and cursor == _FIRST:
        alias = router.db_for_read(definition.model)
        return _execute(first_page_sql(definition, selection.order, size, json, alias), alias)
    walk = selection.walk(cursor).defer(*definition.deferred)
    if selection.residual:
        return _scanned(selection, walk, size, json)
    return _execute(_json_sql(walk, size, json), walk.db)


@lru_cache(maxsize=512)
def first_page_sql(
    definition: ListDefinition, order: Order, size: int, json: tuple[str, ...], alias: str
) -> SQL:
    """Return the statement of a list's first page without filters, in the database ``alias``.

    It is cached, because Django needs longer to compile it than the database needs to run it.
    """
    return _json_sql(Selection(definition, {}, order).walk().using(alias), size, json)


def _json_sql(walk: QuerySet[Any], size: int, json: tuple[str, ...]) -> SQL:
    rows = walk.annotate(as_json=RowAsJSON(*json), scan_stopped=Value(0)).values_list(
        "as_json", "scan_stopped"
    )
    sql, parameters = rows[:size].query.get_compiler(walk.db).as_sql()
    return sql, parameters


def _scanned(selection: Selection, walk: QuerySet[Any], size: int, json: tuple[str, ...]) -> list[Any]:
    model, deferred = selection.definition.model, selection.definition.deferred
    table = model._meta.db_table
    if json:
        selected = object_sql(model, table, json, connections[walk.db].vendor)
        return _execute(bounded_scan.select(walk, selection.residual, selected, size), walk.db)
    columns = (each.column for each in model._meta.concrete_fields if each.name not in deferred)
    selected = ", ".join(f'"{table}"."{column}"' for column in columns)
    sql, parameters = bounded_scan.select(walk, selection.residual, selected, size)
    rows: Any = model._default_manager.using(walk.db).raw(sql, parameters)
    return [(row, row.scan_stopped) for row in rows]


def _execute(sql: SQL, alias: str) -> list[Any]:
    with connections[alias].cursor() as cursor:
        cursor.execute(*sql)
        return list(cursor.fetchall())
