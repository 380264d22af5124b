"""The base of the view sets."""

from collections.abc import Callable, Mapping
from functools import cache
from http import HTTPStatus
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Model
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django_filters import FilterSet
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.viewsets import GenericViewSet

from orchestrator.api.cached_responses import CachedResponses, cached
from orchestrator.api.serializers.strict_fields import ResourceSerializer
from orchestrator.auth.permissions import HasRole
from orchestrator.pagination import KeysetPagination, Orders
from orchestrator.rowjson import RowAsJSON


@cache
def shown_fields(serializer: Callable[[], ResourceSerializer]) -> tuple[str, ...]:
    """Return the names of a serializer's readable fields, in their order."""
    return tuple(name for name, field in serializer().fields.items() if not field.write_only)


class ResourceViewSet(CachedResponses, GenericViewSet[Any]):
    """The rows of one table: list, detail and changes."""

    #: Orders of the list.
    orders: ClassVar[Orders] = {}
    #: Filters of the list.
    filterset_class: type[FilterSet] | None = None
    paginator: KeysetPagination

    permission_classes = (HasRole,)
    pagination_class = KeysetPagination

    @property
    def row_id(self) -> UUID:
        """Return the id in the URL.

        Raises:
            Http404: when it is no UUID.
        """
        try:
            return UUID(self.kwargs["pk"])
        except ValueError as error:
            raise Http404 from error

    def get_object(self) -> Any:
        """Return the row that the URL names; 404 if there is none."""
        return self.get_queryset().get(pk=self.row_id)

    @cached
    def list(self, request: Request) -> HttpResponseBase:
        """Return a page of the list."""
        return self.page(lambda: self.filter_queryset(self.get_queryset()))

    @cached
    def retrieve(self, request: Request, pk: str) -> Response:
        """Return one row."""
        return self.answer(self.get_object())

    def page(self, rows: Callable[[], Any]) -> HttpResponseBase:
        """Return the answer with the page that the request asks for.

        As JSON it is made by the database; the browsable pages have it from the serializer.

        Args:
            rows: makes the queryset; not called where its page's SQL is known.
        """
        if self.request.accepted_renderer.format == "json":
            self.paginator.paginate_texts(lambda: self.as_json(rows()), self.request, self)
            return HttpResponse(self.paginator.body(), content_type="application/json")
        page = self.paginate_queryset(rows())
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def as_json(self, rows: Any) -> Any:
        """Return the rows as the texts of their JSON, by the fields that the serializer shows."""
        fields = shown_fields(self.get_serializer_class())  # type: ignore[arg-type]
        return rows.annotate(as_json=RowAsJSON(*fields)).values_list("as_json", flat=True)

    def filter_queryset(self, queryset: Any) -> Any:
        """Return the rows that the request's filters leave; without one, nothing is made to find that out."""
        filters = getattr(self.filterset_class, "base_filters", ())
        asked = any(name in self.request.query_params for name in filters)
        return super().filter_queryset(queryset) if asked else queryset

    def answer(self, row: Model, **more: Any) -> Response:
        """Return a response with one row."""
        return Response(self.get_serializer(row).data, **more)

    def created(self, row: Model, headers: Mapping[str, str] | None = None) -> Response:
        """Return a 201 with a new row and its URL."""
        location = reverse(f"{self.basename}-detail", args=[row.pk], request=self.request)
        return self.answer(row, status=HTTPStatus.CREATED, headers={"Location": location, **(headers or {})})

    def validated(self, row: Model | None = None, *, partial: bool = False) -> dict[str, Any]:
        """Return the body's valid values.

        Args:
            row: the row to be changed, where validation depends on it.
            partial: whether fields may be missing.

        Raises:
            ValidationError: names each invalid field.
        """
        serializer = self.get_serializer(row, data=self.request.data, partial=partial)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)
