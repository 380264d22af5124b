"""Lists of tables of any size: every row is reached, page by page, and no table is counted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import build_q_object_from_lookup_parameters
from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.core.exceptions import FieldError, ValidationError
from django.db.models import QuerySet
from django.db.models.lookups import Exact
from django.http import HttpRequest

from orchestrator import counts, walks
from orchestrator.cursors import BrokenCursor, Cursor, decode
from orchestrator.models import Job
from orchestrator.pagination import Order, as_columns
from orchestrator.querysets import count_up_to
from orchestrator.walks import Listing, Narrowing, Page
from orchestrator.ways import WAYS

if TYPE_CHECKING:
    from orchestrator.admin.base import TableAdmin

#: Where a page begins, in an address.
CURSOR_VAR: Final = "cursor"

#: Rows that are counted where their number is not kept; of more it is told that there are more.
COUNTED: Final = 10_000


@dataclass(frozen=True)
class Links:
    """The addresses of other pages, each None where there is no such page."""

    first: str | None
    previous: str | None
    following: str | None
    last: str | None


class TableList(ChangeList):
    """A list of the admin that asks only what indexes answer (``orchestrator.ways``)."""

    model_admin: "TableAdmin"
    listing: Listing

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: list[str | None] | None = None
    ) -> QuerySet[Any]:
        """Return all rows of the list, in its order."""
        self.request = request
        for parameters in (self.params, self.filter_params):
            parameters.pop(CURSOR_VAR, None)
        self.filter_specs, self.has_filters, others, _, self.has_active_filters = self.get_filters(request)
        self.clear_all_filters_qs = self.get_query_string(
            new_params=others, remove=list(self.get_filters_params())
        )
        asked = dict(self._narrowings(request, others))
        for name, narrowing in self._searched():
            # Where a filter of this name is in use already, both hold.
            asked[f"{name} searched for" if name in asked else name] = narrowing
        self.listing = self._listing(asked)
        return self.listing.shown.order_by(*self.listing.order.fields(backward=False))

    def get_results(self, request: HttpRequest) -> None:
        """Note that nothing is counted and no page numbered; rows are fetched when they are asked for."""
        self.show_full_result_count = self.show_all = self.can_show_all = self.multi_page = False
        self.show_admin_actions, self.full_result_count = True, None

    @cached_property
    def page(self) -> Page:
        """The page that was asked for; the first where it cannot be."""
        return walks.page(self._light, self._cursor, self.list_per_page)

    @cached_property
    def result_list(self) -> list[Any]:
        """The page's rows."""
        return list(self.page.rows)

    @cached_property
    def total(self) -> int | None:
        """How many rows the list has; None for more than were counted."""
        if not (self.page.previous or self.page.following):
            return len(self.page.rows)
        if self.is_walked:
            return None
        kept = kept_number(self.listing.found)
        if kept is not None:
            return kept
        number = count_up_to(self.listing.found, COUNTED + 1)
        return None if number > COUNTED else number

    @property
    def at_least(self) -> int:
        """How many rows the list has where that is not its total."""
        return len(self.page.rows) if self.is_walked else COUNTED

    @cached_property
    def result_count(self) -> int:  # type: ignore[override]
        """How many rows the list is known to have."""
        return self.at_least if self.total is None else self.total

    @cached_property
    def links(self) -> Links:
        """The other pages."""
        page = self.page
        return Links(
            first=self.get_query_string() if page.previous else None,
            previous=self._address(page.previous),
            following=self._address(page.following),
            last=self._address(Cursor(backward=True)) if page.following else None,
        )

    @property
    def is_walked(self) -> bool:
        """Tell whether there is a filter that no index serves."""
        return self.listing.rest is not None

    @property
    def looked_at(self) -> int | None:
        """How many rows the page has looked at where it ends because of that."""
        return walks.LOOKED_AT if self.page.stopped else None

    def get_ordering_field_columns(self) -> dict[int, Literal["desc", "asc"]]:
        """Return the column that the list is sorted by, by its number."""
        first, *_ = self.listing.order.columns
        for number, name in enumerate(self.list_display):
            if self.column_of(name) == first:
                return {number: "desc" if self.listing.order.descending else "asc"}
        return {}

    def _listing(self, narrowings: Mapping[str, Narrowing]) -> Listing:
        """Return the list of some filters, by the way that suits them."""
        self.is_narrowed = bool(narrowings)
        way = WAYS[self.opts.db_table](narrowings.keys())
        order = self._order(way.orders)
        offered = {name.removeprefix("-") for name in way.orders}
        self.sortable_by = [str(name) for name in self.list_display if self.column_of(name) in offered]
        try:
            taken = [narrowing for name, narrowing in narrowings.items() if name in way.takes]
            rest = [narrowing for name, narrowing in narrowings.items() if name not in way.takes]
            listing = Listing(_all_of(taken)(self.root_queryset), order, _all_of(rest) if rest else None)
            several_tables = len(listing.shown.query.alias_map) > 1
        except (FieldError, ValueError, TypeError, ValidationError) as error:
            raise IncorrectLookupParameters(error) from error
        if several_tables:
            raise IncorrectLookupParameters
        return listing

    def _narrowings(self, request: HttpRequest, others: dict[str, Any]) -> Iterator[tuple[str, Narrowing]]:
        """Yield the filters that were asked for, by name."""
        for spec in self.filter_specs:
            if spec.used_parameters:
                name = getattr(spec, "field_path", None) or getattr(spec, "parameter_name", None)
                # Of several values at once no index gives one order.
                several = any(
                    isinstance(value, list) and value[1:] for value in spec.used_parameters.values()
                )
                yield (
                    f"several of {name}" if several else str(name),
                    cast("Narrowing", partial(spec.queryset, request)),
                )
        if others:
            yield "other", lambda rows: rows.filter(build_q_object_from_lookup_parameters(others))

    def _searched(self) -> Iterator[tuple[str, Narrowing]]:
        """Yield the filter that the search box means."""
        if text := self.query.strip():
            yield self.model_admin.search(text)

    def _order(self, orders: Mapping[str, tuple[str, ...]]) -> Order:
        """Return the order that was asked for if an index gives it, else the usual one."""
        names = [name for name in self._orders_asked() if name in orders]
        name = next(iter([*names, *orders]))
        return Order.of(name, orders[name])

    def _orders_asked(self) -> Iterator[str]:
        for text in self.params.get(ORDER_VAR, "").split("."):
            number = text.removeprefix("-")
            if number.isdecimal() and int(number) < len(self.list_display):
                sign = "-" if text.startswith("-") else ""
                yield f"{sign}{self.column_of(self.list_display[int(number)])}"

    def column_of(self, shown: Any) -> str | None:
        """Return the column that a column of the list is sorted by."""
        return cast("str | None", self.get_ordering_field(shown))

    @property
    def _light(self) -> Listing:
        """The list without what is not shown of its rows."""
        return self.listing.narrowed(lambda rows: rows.defer(*self.model_admin.not_listed))

    @property
    def _scope(self) -> list[Any]:
        """What a cursor is good for: this list with its filters and order."""
        return [self.opts.label, self.listing.order.name, sorted(self.filter_params.items())]

    @property
    def _cursor(self) -> Cursor:
        text = self.request.GET.get(CURSOR_VAR)
        if not text:
            return Cursor()
        try:
            cursor = decode(text, self._scope)
        except BrokenCursor:
            messages.warning(self.request, "That page is none of this list; this is the first.")
            return Cursor()
        return Cursor(cursor.backward, as_columns(self.model, self.listing.order.columns, cursor.position))

    def _address(self, cursor: Cursor | None) -> str | None:
        return self.get_query_string({CURSOR_VAR: cursor.encode(self._scope)}) if cursor else None


def _all_of(narrowings: list[Narrowing]) -> Narrowing:
    """Return several filters as one."""

    def narrow(rows: QuerySet[Any]) -> QuerySet[Any]:
        for narrowing in narrowings:
            rows = narrowing(rows)
        return rows

    return narrow


def kept_number(rows: QuerySet[Any]) -> int | None:
    """Return how many rows there are where that is kept: of a whole table, and of jobs of one status."""
    query, table = rows.query, rows.model._meta.db_table
    if query.is_sliced or query.distinct or query.combinator or table not in counts.TABLES:
        return None
    if not query.where.children:
        return counts.rows_of(table)
    condition = query.where.children[0]
    alone = len(query.where.children) == 1 and not query.where.negated
    if rows.model is Job and alone and isinstance(condition, Exact) and _is_status(condition):
        return counts.jobs_by_status().get(str(condition.rhs), 0)
    return None


def _is_status(condition: Any) -> bool:
    column = getattr(condition.lhs, "target", None)
    return column is Job._meta.get_field("status") and isinstance(condition.rhs, str)
