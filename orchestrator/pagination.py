"""Lists by page, found by the position of their first row: the last page costs what the first does."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Model, QuerySet
from django.template import loader
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param, replace_query_param
from rest_framework.views import APIView

from orchestrator import prepared
from orchestrator.api.error_messages import format_value
from orchestrator.cursors import BrokenCursor, Cursor, decode
from orchestrator.encoding import from_json
from orchestrator.limits import PAGE_DEFAULT, PAGE_LARGEST
from orchestrator.rowjson import page_body
from orchestrator.splits import Walk, first_rows

#: Orders of a list: the name in ``ordering=``, and the columns. Each ends with the id, and all its columns go
#: the same way, so that one comparison of row values finds a page. The first one is the default.
Orders = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Order:
    """One order of a list: its name, its columns, and whether they descend."""

    name: str
    columns: tuple[str, ...]
    descending: bool

    @classmethod
    def of(cls, name: str, fields: Sequence[str]) -> "Order":
        """Return the order of these fields, each with its sign."""
        return cls(name, tuple(field.removeprefix("-") for field in fields), fields[0].startswith("-"))

    def fields(self, *, backward: bool) -> list[str]:
        """Return what ``order_by`` takes, for the list or for the list from its end."""
        return [f"-{column}" if self.descending is not backward else column for column in self.columns]

    def position(self, row: Model | str) -> tuple[Any, ...]:
        """Return where a row stands, which may be the text of its JSON."""
        if isinstance(row, str):
            values = from_json(row)
            return tuple(values[column] for column in self.columns)
        return tuple(getattr(row, column) for column in self.columns)


class KeysetPagination(BasePagination):
    """Pages by cursor. The view says which ``orders`` its list has."""

    template = "rest_framework/pagination/previous_and_next.html"

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> list[Any]:
        """Return the page that the request asks for.

        Raises:
            ValidationError: when ``ordering``, ``limit`` or ``cursor`` cannot be.
        """
        self._read(request, view)
        self.display_page_controls = True
        self.cursor = self._read_cursor(queryset.model)
        return self._page(self._found(queryset))

    def paginate_texts(
        self, texts: Callable[[], QuerySet[Any, str]], request: Request, view: APIView
    ) -> list[str]:
        """Return the page that the request asks for, of rows that are texts of JSON.

        Args:
            texts: makes the queryset; not called where its SQL is known.
            request: what is asked.
            view: whose list it is.

        Raises:
            ValidationError: see ``paginate_queryset``.
        """
        if request.query_params.get("cursor") or _filters(request, view):
            return self.paginate_queryset(texts(), request, view)
        self._read(request, view)
        self.cursor = Cursor()
        first_page = (request.path, self.order, self.limit)
        return self._page(prepared.fetch(first_page, lambda: self._walk.of(texts())))

    def _read(self, request: Request, view: APIView | None) -> None:
        self.request = request
        self.limit = read_limit(request)
        self.order = read_order(request, getattr(view, "orders", {}))
        self.scope = [request.path, self.order.name, _filters(request, view)]

    def _page(self, found: list[Any]) -> list[Any]:
        self.more, rows = len(found) > self.limit, found[: self.limit]
        self.rows = rows[::-1] if self.cursor.backward else rows
        return self.rows

    def get_paginated_response(self, data: Any) -> Response:
        """Return the answer: the page, and where its neighbours are."""
        return Response({"next": self.get_next_link(), "previous": self.get_previous_link(), "results": data})

    def body(self) -> bytes:
        """Return the JSON of a page whose rows are texts of JSON."""
        return page_body(self.rows, following=self.get_next_link(), previous=self.get_previous_link())

    def get_next_link(self) -> str | None:
        """Return the address of the page after this one, or None on the last."""
        is_last = not self.cursor.position if self.cursor.backward else not self.more
        if is_last:
            return None
        return self._link(Cursor(position=self.order.position(self.rows[-1]) if self.rows else ()))

    def get_previous_link(self) -> str | None:
        """Return the address of the page before this one, or None on the first."""
        is_first = not self.more if self.cursor.backward else not self.cursor.position
        if is_first:
            return None
        position = self.order.position(self.rows[0]) if self.rows else ()
        return self._link(Cursor(backward=True, position=position))

    def _found(self, queryset: QuerySet[Any]) -> list[Any]:
        """Return the rows from the cursor on, in the direction that it looks, one more than the page has."""
        split = getattr(queryset, "split", None)
        if split is None:
            return list(self._walk.of(queryset))
        return first_rows(queryset, split, self._walk, self.order.position)

    @property
    def _walk(self) -> Walk:
        descending = self.order.descending is not self.cursor.backward
        return Walk(self.order.columns, descending, self.cursor.position, self.limit + 1)

    def _read_cursor(self, model: type[Model]) -> Cursor:
        text = self.request.query_params.get("cursor")
        if not text:
            return Cursor()
        try:
            cursor = decode(text, self.scope)
        except BrokenCursor as error:
            allowed = "allowed: that of `next` or `previous`, with its filters and order"
            message = f"{format_value(text)} is not a cursor of this list; {allowed}."
            raise ValidationError({"cursor": [message]}) from error
        return Cursor(cursor.backward, as_columns(model, self.order.columns, cursor.position))

    def _link(self, cursor: Cursor) -> str:
        address = self.request.build_absolute_uri()
        if cursor == Cursor():
            return remove_query_param(address, "cursor")
        text = cursor.encode(self.scope)
        if "cursor" in self.request.query_params:
            return replace_query_param(address, "cursor", text)
        return f"{address}{'&' if '?' in address else '?'}cursor={text}"

    def to_html(self) -> str:
        """Return the links to the neighbours, for the browsable pages."""
        context = {"previous_url": self.get_previous_link(), "next_url": self.get_next_link()}
        return loader.render_to_string(self.template, context)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the OpenAPI schema of a page of what ``schema`` describes."""
        link = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        """Return the OpenAPI parameters of paging."""
        return [
            _parameter(
                "cursor", {"type": "string"}, "That of `next` or `previous`, with its filters and order."
            ),
            _parameter(
                "limit",
                {"type": "integer", "minimum": 1, "default": PAGE_DEFAULT},
                f"Rows in a page; more than {PAGE_LARGEST} counts as {PAGE_LARGEST}.",
            ),
            *_ordering_parameter(getattr(view, "orders", {})),
        ]


def as_columns(model: type[Model], columns: Sequence[str], position: Sequence[Any]) -> tuple[Any, ...]:
    """Return a position's values, which JSON has brought, as the columns have them."""
    fields: list[Any] = [model._meta.get_field(column) for column in columns]
    return tuple(field.to_python(value) for field, value in zip(fields, position, strict=False))


def read_limit(request: Request) -> int:
    """Return how many rows a page shall have.

    Raises:
        ValidationError: when ``limit`` is not a number from 1 on.
    """
    text = request.query_params.get("limit")
    if not text:
        return PAGE_DEFAULT
    digits = text.lstrip("0")
    if not digits or not re.fullmatch(r"[0-9]+", text):
        allowed = f"allowed: a whole number from 1 to {PAGE_LARGEST}"
        raise ValidationError({"limit": [f"{format_value(text)} is not a limit; {allowed}."]})
    # Of a number that is longer than the largest, only that it is larger matters.
    return PAGE_LARGEST if len(digits) > len(str(PAGE_LARGEST)) else min(int(digits), PAGE_LARGEST)


def read_order(request: Request, orders: Orders) -> Order:
    """Return the order that the list shall have.

    Raises:
        ValidationError: when ``ordering`` is none of them.
    """
    name = request.query_params.get("ordering") or next(iter(orders))
    if name not in orders:
        allowed = ", ".join(orders)
        raise ValidationError(
            {"ordering": [f"{format_value(name)} is not an order of this list; allowed: {allowed}."]}
        )
    return Order.of(name, orders[name])


def _filters(request: Request, view: APIView | None) -> list[tuple[str, str]]:
    """Return the filters of the request, which its cursors are bound to."""
    names = getattr(getattr(view, "filterset_class", None), "base_filters", ())
    given = request.query_params
    return sorted((name, given[name]) for name in names if given.get(name))


def _parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def _ordering_parameter(orders: Orders) -> list[dict[str, Any]]:
    if len(orders) < 2:  # noqa: PLR2004 - nothing to choose from
        return []
    names = list(orders)
    schema = {"type": "string", "enum": names, "default": names[0]}
    return [_parameter("ordering", schema, "The order of the list.")]
