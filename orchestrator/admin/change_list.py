"""The admin's change lists: declared filters and orders, keyset pages, and bounded counts."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final, Literal, cast

from django.contrib import messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest

from orchestrator import counts
from orchestrator.admin.sidebar_filters import SidebarFilter
from orchestrator.db import replicas
from orchestrator.listing import Cursor, InvalidCursor, Order, Page, Selection
from orchestrator.listing.bounded_scan import SCAN_LIMIT
from orchestrator.listing.cursors import decode
from orchestrator.lists import JOBS

#: The query parameter that says where a page begins.
CURSOR_VAR: Final = "cursor"


class KeysetChangeList(ChangeList):
    """A change list served by the ``ListDefinition`` of a ``KeysetModelAdmin``."""

    model_admin: Any
    selection: Selection
    #: The most rows that are counted, or scanned for a page.
    scan_limit = SCAN_LIMIT

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
        definition, conditions = self.model_admin.list_definition, self.model_admin.read_query(request.GET)
        orders = definition.orders_with(conditions, definition.console_orders)
        self.selection = Selection(definition, conditions, self._order(orders))
        sortable = {order.column for order in orders}
        self.sortable_by = [str(name) for name in self.list_display if self.column_of(name) in sortable]
        self._show_filters(self.selection)
        return self.selection.all_rows

    def _show_filters(self, selection: Selection) -> None:
        specs = [
            SidebarFilter(filter_, selection.conditions.get(filter_.name), self.filter_params)
            for filter_ in selection.definition.console_filters
            if filter_.name not in self.model_admin.search_filters
        ]
        self.filter_specs = specs  # type: ignore[assignment]
        self.has_filters, self.has_active_filters = bool(specs), any(spec.used for spec in specs)
        self.clear_all_filters_qs = self.get_query_string(remove=list(self.get_filters_params()))

    def get_results(self, request: HttpRequest) -> None:
        """Set what Django's templates need; rows are read on first use."""
        self.show_full_result_count = self.show_all = self.can_show_all = self.multi_page = False
        self.show_admin_actions, self.full_result_count = True, None

    @cached_property
    def page(self) -> Page:
        """The page of the request."""
        return replicas.read(lambda: self.selection.page(self._cursor, size=self.list_per_page))

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

    @cached_property
    def result_count(self) -> int:  # type: ignore[override]
        """The number of rows; those of the page if the total is unknown."""
        return len(self.page.rows) if self.total is None else self.total

    @cached_property
    def links(self) -> dict[str, str | None]:
        """The query strings of other pages; None where there is no such page."""
        page = self.page
        return {
            "first": self.get_query_string() if page.previous else None,
            "previous": self._link(page.previous),
            "next": self._link(page.next),
            "last": self._link(Cursor(backward=True)) if page.next else None,
        }

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

    def _order(self, served: Sequence[Order]) -> Order:
        """Return the order in the URL if the list serves it, else the default."""
        by_name = {order.name: order for order in served}
        names = self.get_ordering(self.request, self.root_queryset)
        return next((by_name[str(name)] for name in names if name in by_name), served[0])

    @property
    def _scope(self) -> list[Any]:
        return self.selection.definition.scope(self.selection.conditions, self.selection.order)

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
