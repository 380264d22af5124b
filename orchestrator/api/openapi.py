"""What drf-spectacular cannot see by itself: how clients prove who they are, and how errors look."""

from collections.abc import Iterator
from typing import Any, Final

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiParameter

from orchestrator.auth.authentication import BearerAuthentication, SessionAuthentication

#: The condition of a change: the present entity tag of what shall change.
IF_MATCH: Final = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, description="The `ETag` that the task was read with."
)

Operation = dict[str, Any]


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes bearer tokens."""

    target_class = BearerAuthentication
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return the scheme's OpenAPI description."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes Django's session."""

    target_class = SessionAuthentication
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return the scheme's OpenAPI description."""
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}


def describe_errors(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add to each operation the errors that it can answer with; a hook of drf-spectacular."""
    result["components"]["schemas"] |= {
        "Error": {"type": "object", "properties": {"detail": {"type": "string"}}, "required": ["detail"]},
        "Invalid": {
            "description": "`detail`, or messages by field.",
            "type": "object",
            "additionalProperties": {
                "oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
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
    for path, methods in result["paths"].items():
        for method, operation in methods.items():
            for status, (schema, text) in _errors(path, method, operation):
                content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
                operation["responses"].setdefault(status, {"content": content, "description": text})
    return result


def _errors(path: str, method: str, operation: Operation) -> Iterator[tuple[str, tuple[str, str]]]:
    """Return the errors of an operation: status, schema and meaning."""
    if "requestBody" in operation:
        yield "400", ("Invalid", "Something in the request cannot be; nothing was stored.")
        yield "413", ("Error", "The body is too large.")
        yield "415", ("Error", "The body is of a media type that is not read here.")
    if any(parameter["in"] == "query" for parameter in operation.get("parameters", ())):
        yield "400", ("Invalid", "A query parameter is unknown, or its value is not allowed.")
    if operation.get("security") or path.startswith("/auth/"):
        yield "401", ("Error", "No valid credentials.")
    if operation.get("security"):
        yield "403", ("Error", "The user's role does not cover this.")
    if path == "/auth/login/":
        yield "429", ("Error", "Tried too often; `Retry-After` says when again.")
    if "{id}" in path:
        yield "404", ("Error", "There is no such thing.")
    if path.endswith("/status/") or (path.endswith("users/{id}/") and method != "get"):
        yield "409", ("Conflict", "The present state does not allow it; nothing was changed.")
    if path.endswith("tasks/{id}/") and method != "get":
        yield "412", ("Error", "The task is not the one that `If-Match` names; nothing was changed.")
