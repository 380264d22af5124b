"""The OpenAPI schema: bearer tokens and error responses, which drf-spectacular does not derive by itself."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from drf_spectacular import openapi
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import OpenApiParameter

from orchestrator.auth.authentication import BearerAuthentication
from orchestrator.limits import MAX_IDEMPOTENCY_KEY_LENGTH

#: The condition of a change: the current ETag of the resource.
IF_MATCH: Final = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, description="The `ETag` with which the resource was read."
)

#: Names a request, so that it can be repeated.
IDEMPOTENCY_KEY: Final = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": MAX_IDEMPOTENCY_KEY_LENGTH, "pattern": "^[!-~]+$"},
    OpenApiParameter.HEADER,
    description="Names the request. For a day, the same request with the same key creates nothing again.",
)

#: By action, or by method of a view without actions: what its error statuses mean.
ErrorResponses = Mapping[str, Mapping[HTTPStatus, str]]

_SCHEMAS: Final[Mapping[str, dict[str, Any]]] = {
    "Error": {"type": "object", "properties": {"detail": {"type": "string"}}, "required": ["detail"]},
    "Invalid": {
        "description": "`detail`, or messages by field; for a list of objects, such messages by position.",
        "type": "object",
        "additionalProperties": {
            "oneOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}},
                {"type": "array", "minItems": 1, "items": {"type": "object", "additionalProperties": {}}},
            ]
        },
    },
    "Conflict": {
        "type": "object",
        "properties": {
            "detail": {"type": "string"},
            "status": {"type": "string"},
            "allowed": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["detail"],
    },
}
#: The schema of an error response by its status; ``Error`` for the others.
_SCHEMA_OF: Final = {HTTPStatus.BAD_REQUEST: "Invalid", HTTPStatus.CONFLICT: "Conflict"}


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes bearer tokens."""

    target_class = BearerAuthentication
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return the OpenAPI description of the scheme."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class AutoSchema(openapi.AutoSchema):
    """Describes each operation with the common errors and those in its view's ``error_responses``."""

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        """Return the OpenAPI description of an operation, or None if it is excluded."""
        operation = super().get_operation(*args, **kwargs)
        if operation is not None:
            declared: ErrorResponses = getattr(self.view, "error_responses", {})
            own = declared.get(getattr(self.view, "action", self.method.lower()), {})
            for status, description in (*own.items(), *_common_errors(operation)):
                operation["responses"].setdefault(str(status.value), self._error(status, description))
        return operation

    def _error(self, status: HTTPStatus, description: str) -> dict[str, Any]:
        name = _SCHEMA_OF.get(status, "Error")
        component = ResolvedComponent(  # type: ignore[no-untyped-call]
            name, ResolvedComponent.SCHEMA, _SCHEMAS[name], object=name
        )
        self.registry.register_on_missing(component)
        return {"content": {"application/json": {"schema": component.ref}}, "description": description}


def _common_errors(operation: Mapping[str, Any]) -> Iterator[tuple[HTTPStatus, str]]:
    """Yield the errors that follow from an operation's body, parameters and authentication."""
    sources = {parameter["in"] for parameter in operation.get("parameters", ())}
    if "requestBody" in operation:
        yield HTTPStatus.BAD_REQUEST, "A value in the request is invalid; nothing was stored."
        yield HTTPStatus.REQUEST_TIMEOUT, "The body did not arrive in time."
        yield HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large."
        yield HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body is not JSON by its media type."
    if "query" in sources:
        yield HTTPStatus.BAD_REQUEST, "A query parameter is unknown, or its value is not allowed."
    if operation.get("security"):
        yield HTTPStatus.UNAUTHORIZED, "The request has no valid credentials."
        yield HTTPStatus.FORBIDDEN, "The user's role does not allow this."
    if "path" in sources:
        yield HTTPStatus.NOT_FOUND, "There is no such resource."
