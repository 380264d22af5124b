"""The base of the view sets."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any, ClassVar, Final
from uuid import UUID

from django.db.models import Model
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from orchestrator.api.cached_responses import CachedResponses, cached
from orchestrator.api.etags import etag_of, is_current
from orchestrator.api.pagination import KeysetPagination, require_known
from orchestrator.api.serializers.strict_fields import ResourceSerializer
from orchestrator.auth.permissions import HasRole
from orchestrator.exceptions import PreconditionFailed
from orchestrator.json_codec import from_json, to_json
from orchestrator.listing import ListDefinition
from orchestrator.listing.json_rows import page_body

#: The description of the response to a change whose ``If-Match`` is out of date.
CHANGED_MEANWHILE: Final = {
    HTTPStatus.PRECONDITION_FAILED: "`If-Match` does not name the current `ETag`; nothing was changed."
}


@cache
def prepared(serializer_class: Callable[..., Any], *, partial: bool = False) -> Any:
    """Return a serializer of a class that all requests share: DRF builds the fields of each new one.

    ``run_validation`` changes nothing in it; nothing else may be called.
    """
    return serializer_class(partial=partial)


def shown_row(row: Model, serializer_class: Callable[[], ResourceSerializer]) -> dict[str, Any]:
    """Return the values of a row that a serializer shows, by name; they need no conversion to become JSON."""
    return {name: getattr(row, name) for name in shown_fields(serializer_class)}


@cache
def shown_fields(serializer: Callable[[], ResourceSerializer]) -> tuple[str, ...]:
    """Return the names of a serializer's readable fields, in their order."""
    return tuple(name for name, field in serializer().fields.items() if not field.write_only)


class ResourceViewSet(CachedResponses, GenericViewSet[Any]):
    """The rows of one table: list, detail and changes."""

    #: What the list offers.
    list_definition: ClassVar[ListDefinition]
    paginator: KeysetPagination

    permission_classes = (HasRole,)
    pagination_class = KeysetPagination

    @property
    def row_id(self) -> UUID:
        """Return the id in the URL; 404 if it is no UUID."""
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
        return self.page_response(self.read_page(self.list_definition))

    @cached
    def retrieve(self, request: Request, pk: str) -> Response:
        """Return one row."""
        require_known(request)
        return self.row_response(self.get_object())

    def read_page(self, definition: ListDefinition, **fixed: Any) -> Sequence[str]:
        """Return the rows, as JSON, of a list's page; ``fixed`` are conditions from the URL's path."""
        return self.paginator.page(self.request, definition, fixed, self.shown_fields).rows

    def page_response(self, rows: Iterable[str]) -> HttpResponseBase:
        """Return a response with a page of rows, each of which is JSON."""
        next_url = getattr(self.paginator, "next_url", None)
        previous_url = getattr(self.paginator, "previous_url", None)
        if self.request.accepted_renderer.format == "json":
            body = page_body(rows, next_url=next_url, previous_url=previous_url)
            return HttpResponse(body, content_type="application/json")
        results = [from_json(row) for row in rows]
        return Response({"next": next_url, "previous": previous_url, "results": results})

    @property
    def shown_fields(self) -> tuple[str, ...]:
        """The names of the fields in the JSON of a row."""
        return shown_fields(self.get_serializer_class())  # type: ignore[arg-type]

    def row_response(
        self, row: Model, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] | None = None
    ) -> Response:
        """Return a response with one row."""
        is_json = self.request.accepted_renderer.format == "json"
        # The forms of the browsable API are filled from the serializer of the data.
        data = self.shown(row) if is_json else self._row_serializer(row).data
        return Response(data, status, headers=headers)

    def created(self, row: Model) -> Response:
        """Return a 201 with a new row, its URL and its ETag."""
        location = self.request.build_absolute_uri(f"{self.request.path}{row.pk}/")
        return self.row_response(row, HTTPStatus.CREATED, {"Location": location, "ETag": self.etag(row)})

    def changed(self, row: Model) -> Response:
        """Return a 200 with a changed row and its new ETag."""
        return self.row_response(row, headers={"ETag": self.etag(row)})

    def etag(self, row: Model) -> str:
        """Return the ETag of a row's detail."""
        return etag_of(to_json(self.shown(row)))

    def shown(self, row: Model) -> dict[str, Any]:
        """Return the values of a row in its JSON."""
        return shown_row(row, self._row_serializer)

    @property
    def _row_serializer(self) -> Any:
        """The serializer of a row; that of an action may describe its request."""
        return type(self).serializer_class

    @property
    def precondition(self) -> Callable[[Model], None] | None:
        """The check of ``If-Match``, for the domain to call with the locked row; None without the header."""
        if_match = self.request.META.get("HTTP_IF_MATCH")
        if if_match is None:
            return None

        def require_current(row: Model) -> None:
            etag = self.etag(row)
            if not is_current(if_match, etag):
                raise PreconditionFailed(etag)

        return require_current

    def validated(self, row: Model | None = None, *, partial: bool = False) -> dict[str, Any]:
        """Return the body's valid values; ``row`` is the row to be changed, if validation depends on it."""
        data = self.request.data
        if row is None and data is not None:
            serializer_class: Any = self.get_serializer_class()
            return dict(prepared(serializer_class, partial=partial).run_validation(data))
        serializer = self.get_serializer(row, data=data, partial=partial)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)
