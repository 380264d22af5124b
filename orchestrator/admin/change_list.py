"""The admin's change lists: declared filters and orders, keyset pages, and bounded counts."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, Protocol, cast

from django.contrib import messages
from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest

from orchestrator import counts
from orchestrator.admin.sidebar_filters import SidebarFilter
from orchestrator.listing import Cursor, InvalidCursor, InvalidQuery, ListDefinition, Order, Page, Selection
from orchestrator.listing.bounded_scan import SCAN_LIMIT
from orchestrator.listing.cursors import decode
from orchestrator.lists import JOBS

#: The query parameter that says where a page begins.
CURSOR_VAR: Final = "cursor"


@dataclass(frozen=True)
class Links:
    """The query strings of other pages; None where there is no such page."""

    first: str | None
    previous: str | None
    next: str | None
    last: str | None


class SearchableList(Protocol):
    """What a change list needs from its ``ModelAdmin``."""

    list_definition: ListDefinition
    search_filters: tuple[str, ...]

    def search(self, text: str) -> dict[str, Any]:
        """Return the filter conditions for a text in the search box."""
        ...


class KeysetChangeList(ChangeList):
    """A change list served by the model's ``ListDefinition``."""

    selection: Selection

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: list[str | None] | None = None
    ) -> QuerySet[Any]:
        """Return all rows of the list; the page reads only its own.

        Raises:
            InvalidQuery: when the list does not serve the query.
        """
        self.request = request
        for parameters in (self.params, self.filter_params):
            parameters.pop(CURSOR_VAR, None)
        conditions = self._conditions()
        self.selection = Selection(self.definition, conditions, self._order(conditions))
        self.sortable_by = [str(name) for name in self.list_display if self.column_of(name) in self._sortable]
        specs = [
            SidebarFilter(filter_, conditions.get(filter_.name), self.filter_params)
            for filter_ in self.definition.console_filters
            if filter_.name not in self._searchable.search_filters
        ]
        self.filter_specs = specs  # type: ignore[assignment]
        self.has_filters, self.has_active_filters = bool(specs), any(spec.is_active for spec in specs)
        self.clear_all_filters_qs = self.get_query_string(remove=list(self.get_filters_params()))
        return self.selection.all_rows

    def get_results(self, request: HttpRequest) -> None:
        """Set what Django's templates need; rows are read on first use."""
        self.show_full_result_count = self.show_all = self.can_show_all = self.multi_page = False
        self.show_admin_actions, self.full_result_count = True, None

    @property
    def definition(self) -> ListDefinition:
        """The list's filters, orders and access paths."""
        return self._searchable.list_definition

    @cached_property
    def page(self) -> Page:
        """The page of the request."""
        return self.selection.page(self._cursor, size=self.list_per_page)

    @cached_property
    def result_list(self) -> list[Any]:
        """The page's rows."""
        return list(self.page.rows)

    @cached_property
    def total(self) -> int | None:
        """The number of rows in the list; None if they are too many for one scan."""
        if not (self.page.previous or self.page.next):
            return len(self.page.rows)
        stored = stored_count(self.selection)
        return self.selection.count() if stored is None else stored

    @property
    def scan_limit(self) -> int:
        """The most rows that are counted, or scanned for a page."""
        return SCAN_LIMIT

    @cached_property
    def result_count(self) -> int:  # type: ignore[override]
        """The number of rows; those of the page if the total is unknown."""
        return len(self.page.rows) if self.total is None else self.total

    @cached_property
    def links(self) -> Links:
        """The other pages."""
        page = self.page
        return Links(
            first=self.get_query_string() if page.previous else None,
            previous=self._link(page.previous),
            next=self._link(page.next),
            last=self._link(Cursor(backward=True)) if page.next else None,
        )

    @property
    def is_filtered(self) -> bool:
        """Whether the list has any filter."""
        return bool(self.selection.conditions)

    @property
    def is_scanned(self) -> bool:
        """Whether no index serves all filters in this order."""
        return bool(self.selection.residual)

    def get_ordering_field_columns(self) -> dict[int, Literal["desc", "asc"]]:
        """Return the number and direction of the column that the list is sorted by."""
        order = self.selection.order
        for number, name in enumerate(self.list_display):
            if self.column_of(name) == order.column:
                return {number: "desc" if order.descending else "asc"}
        return {}

    def column_of(self, shown: Any) -> str | None:
        """Return the database column that a column of the list is sorted by."""
        return cast("str | None", self.get_ordering_field(shown))

    @property
    def _searchable(self) -> SearchableList:
        return cast("SearchableList", self.model_admin)

    def _conditions(self) -> dict[str, Any]:
        parameters = self.get_filters_params()
        filters = self.definition.console_filters
        known = [name for filter_ in filters for name in filter_.parameters]
        for name in parameters:
            if name not in known:
                raise InvalidQuery(name, f"Unknown filter. Known: {', '.join(known)}.")
        conditions = self.definition.read({name: values[-1] for name, values in parameters.items()}, filters)
        if text := self.query.strip():
            conditions |= self._searchable.search(text)
        self.definition.require_combination(conditions)
        return conditions

    def _order(self, conditions: dict[str, Any]) -> Order:
        """Return the order in the URL if the list serves it, else the default."""
        served = self.definition.orders_with(conditions, self.definition.console_orders)
        self._sortable = {order.column for order in served}
        by_name = {order.name: order for order in served}
        return next((by_name[name] for name in self._order_names() if name in by_name), served[0])

    def _order_names(self) -> Iterator[str]:
        for text in self.params.get(ORDER_VAR, "").split("."):
            number = text.removeprefix("-")
            if number.isascii() and number.isdecimal() and int(number[:4]) < len(self.list_display):
                sign = "-" if text.startswith("-") else ""
                yield f"{sign}{self.column_of(self.list_display[int(number[:4])])}"

    @property
    def _scope(self) -> list[Any]:
        return self.definition.scope(self.selection.conditions, self.selection.order)

    @property
    def _cursor(self) -> Cursor:
        text = self.request.GET.get(CURSOR_VAR)
        try:
            return decode(text, self._scope) if text else Cursor()
        except InvalidCursor:
            messages.warning(self.request, "That page is not part of this list. Showing the first page.")
            return Cursor()

    def _link(self, cursor: Cursor | None) -> str | None:
        return self.get_query_string({CURSOR_VAR: cursor.encode(self._scope)}) if cursor else None


def stored_count(selection: Selection) -> int | None:
    """Return the number of rows in a list if the database stores it, else None.

    It stores the number of rows in each table, and of jobs with each status.
    """
    names, table = set(selection.conditions), selection.definition.name
    if not names and table in counts.TABLES:
        return counts.rows_of(table)
    if selection.definition is JOBS and names == {"status"}:
        return counts.jobs_by_status().get(selection.conditions["status"], 0)
    return None
