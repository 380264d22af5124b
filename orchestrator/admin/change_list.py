"""The console's lists: declared filters and orders only, page by page; no large table is counted."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from django.contrib import messages
from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest

from orchestrator import counts
from orchestrator.admin.filters import SidebarFilter
from orchestrator.listing import Cursor, InvalidCursor, InvalidQuery, ListDefinition, Order, Page, Selection
from orchestrator.listing.bounded_scan import SCAN_LIMIT
from orchestrator.listing.cursors import decode
from orchestrator.lists import JOBS

if TYPE_CHECKING:
    from orchestrator.admin.base import KeysetModelAdmin

#: Where a page begins, in a URL.
CURSOR_VAR: Final = "cursor"


@dataclass(frozen=True)
class Links:
    """The query strings of other pages, each None where there is no such page."""

    first: str | None
    previous: str | None
    next: str | None
    last: str | None


class KeysetChangeList(ChangeList):
    """A list of the admin that the model's ``ListDefinition`` serves."""

    model_admin: "KeysetModelAdmin"
    selection: Selection

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: list[str | None] | None = None
    ) -> QuerySet[Any]:
        """Return all rows of the list.

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
            SidebarFilter(filter_, self)
            for filter_ in self.definition.console_filters
            if filter_.name not in self.model_admin.search_filters
        ]
        self.filter_specs = specs  # type: ignore[assignment]
        self.has_filters, self.has_active_filters = bool(specs), any(spec.is_active for spec in specs)
        self.clear_all_filters_qs = self.get_query_string(remove=list(self.get_filters_params()))
        return self.selection.all_rows

    def get_results(self, request: HttpRequest) -> None:
        """Set what the templates of Django want; rows are read when they are needed."""
        self.show_full_result_count = self.show_all = self.can_show_all = self.multi_page = False
        self.show_admin_actions, self.full_result_count = True, None

    @property
    def definition(self) -> ListDefinition:
        """What the list offers."""
        return self.model_admin.list_definition

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
        """How many rows the list has; None for more than one scan reads."""
        if not (self.page.previous or self.page.next):
            return len(self.page.rows)
        kept = kept_count(self.selection)
        return self.selection.count() if kept is None else kept

    @property
    def scan_limit(self) -> int:
        """How many rows are counted, and scanned for a page."""
        return SCAN_LIMIT

    @cached_property
    def result_count(self) -> int:  # type: ignore[override]
        """How many rows the list is known to have."""
        return len(self.page.rows) if self.total is None else self.total

    @cached_property
    def links(self) -> Links:
        """The other pages."""
        found = self.page
        return Links(
            first=self.get_query_string() if found.previous else None,
            previous=self._link(found.previous),
            next=self._link(found.next),
            last=self._link(Cursor(backward=True)) if found.next else None,
        )

    @property
    def is_filtered(self) -> bool:
        """Whether there is any filter."""
        return bool(self.selection.conditions)

    @property
    def is_scanned(self) -> bool:
        """Whether a filter has no index together with the order."""
        return bool(self.selection.residual)

    def get_ordering_field_columns(self) -> dict[int, Literal["desc", "asc"]]:
        """Return the column that the list is sorted by, by its number."""
        order = self.selection.order
        for number, name in enumerate(self.list_display):
            if self.column_of(name) == order.column:
                return {number: "desc" if order.descending else "asc"}
        return {}

    def column_of(self, shown: Any) -> str | None:
        """Return the database column that a column of the list is sorted by."""
        return cast("str | None", self.get_ordering_field(shown))

    def _conditions(self) -> dict[str, Any]:
        parameters = self.get_filters_params()
        filters = self.definition.console_filters
        known = [name for filter_ in filters for name in filter_.parameters]
        for name in parameters:
            if name not in known:
                raise InvalidQuery(name, f"Unknown filter. Known: {', '.join(known)}.")
        conditions = self.definition.read({name: values[-1] for name, values in parameters.items()}, filters)
        if text := self.query.strip():
            conditions |= self.model_admin.search(text)
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
            messages.warning(self.request, "That page is not part of this list. This is the first page.")
            return Cursor()

    def _link(self, cursor: Cursor | None) -> str | None:
        return self.get_query_string({CURSOR_VAR: cursor.encode(self._scope)}) if cursor else None


def kept_count(selection: Selection) -> int | None:
    """Return how many rows a list has where the database keeps the number, else None.

    It keeps the numbers of all rows of a table, and of the jobs with each status.
    """
    names, table = set(selection.conditions), selection.definition.name
    if not names and table in counts.TABLES:
        return counts.rows_of(table)
    if selection.definition is JOBS and names == {"status"}:
        return counts.jobs_by_status().get(selection.conditions["status"], 0)
    return None
