"""Lists over HTTP: which query parameters a list takes, and the URLs of the pages beside a page."""

import re
from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

from django.template import loader
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.utils.urls import remove_query_param, replace_query_param
from rest_framework.views import APIView

from orchestrator.limits import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE
from orchestrator.listing import Cursor, InvalidCursor, InvalidQuery, ListDefinition, Page, Selection
from orchestrator.listing.cursors import decode
from orchestrator.listing.errors import invalid_value


class KeysetPagination(BasePagination):
    """Reads a list's query and returns the page; the view's ``list_definition`` declares the list."""

    template = "rest_framework/pagination/previous_and_next.html"
    display_page_controls = True
    next_url: str | None = None
    previous_url: str | None = None

    def page(
        self, request: Request, definition: ListDefinition, fixed: Mapping[str, Any], fields: tuple[str, ...]
    ) -> Page:
        """Return the page that a request is for, and set the URLs of its neighbours.

        Args:
            request: the request.
            definition: the list.
            fixed: conditions that come from the URL's path.
            fields: names of the fields in the JSON of a row.

        Raises:
            ValidationError: when the list does not serve the query; it names the parameter.
        """
        parameters = request.query_params
        require_known(request, query_schemas(definition))
        try:
            conditions = {**fixed, **definition.read(parameters, definition.api_filters)}
            order = definition.order(parameters.get("ordering", ""), conditions, definition.api_orders)
            scope = definition.scope(conditions, order)
            cursor, limit = _cursor(parameters.get("cursor"), scope), _limit(parameters.get("limit"))
        except InvalidQuery as error:
            raise ValidationError({error.parameter: [error.message]}) from error
        found = Selection(definition, conditions, order).page(cursor, limit, json=fields)
        self.next_url = _url(request, found.next, scope)
        self.previous_url = _url(request, found.previous, scope)
        return found

    def to_html(self) -> str:
        """Return the links to the neighbours, for the browsable API."""
        context = {"previous_url": self.previous_url, "next_url": self.next_url}
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
        """Return the OpenAPI parameters of the view's list."""
        definition: ListDefinition = view.list_definition  # type: ignore[attr-defined]
        return [
            {"name": name, "in": "query", "schema": dict(schema), "description": schema["description"]}
            for name, schema in query_schemas(definition).items()
        ]


@cache
def query_schemas(definition: ListDefinition) -> Mapping[str, Mapping[str, Any]]:
    """Return the OpenAPI schema of each query parameter that a list takes, by name."""
    schemas = {name: each for filter_ in definition.api_filters for name, each in filter_.parameters.items()}
    orders = [order.name for order in definition.api_orders]
    if len(orders) > 1:
        order = {"type": "string", "enum": orders, "default": orders[0]}
        schemas["ordering"] = {**order, "description": "The order of the list."}
    same = "From `next` or `previous`, with the same filters and order."
    schemas["cursor"] = {"type": "string", "description": same}
    larger = f"Rows in a page; more than {MAX_PAGE_SIZE} counts as {MAX_PAGE_SIZE}."
    limit = {"type": "integer", "minimum": 1, "default": DEFAULT_PAGE_SIZE}
    return {**schemas, "limit": {**limit, "description": larger}}


def require_known(request: Request, names: Collection[str] = ()) -> None:
    """Raise ``ValidationError`` if a request has other query parameters than these and ``format``."""
    known = (*names, "format")
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        message = f"Unknown query parameter. Known: {', '.join(known)}."
        raise ValidationError({name: [message] for name in unknown})


def _limit(text: str | None) -> int:
    if not text:
        return DEFAULT_PAGE_SIZE
    digits = text.lstrip("0")
    if not digits or not re.fullmatch(r"[0-9]+", text):
        raise invalid_value("limit", text, f"a whole number from 1 to {MAX_PAGE_SIZE}")
    # A number with more digits than the maximum is larger, however long it is.
    return MAX_PAGE_SIZE if len(digits) > len(str(MAX_PAGE_SIZE)) else min(int(digits), MAX_PAGE_SIZE)


def _cursor(text: str | None, scope: list[Any]) -> Cursor:
    try:
        return decode(text, scope) if text else Cursor()
    except InvalidCursor as error:
        allowed = "the cursor in `next` or `previous`, with its filters and order"
        raise invalid_value("cursor", text or "", allowed) from error


def _url(request: Request, cursor: Cursor | None, scope: list[Any]) -> str | None:
    """Return the URL of a page of the same list."""
    if cursor is None:
        return None
    url = request.build_absolute_uri()
    if cursor == Cursor():
        return remove_query_param(url, "cursor")
    text = cursor.encode(scope)
    if "cursor" in request.query_params:
        return replace_query_param(url, "cursor", text)
    return f"{url}{'&' if '?' in url else '?'}cursor={text}"
