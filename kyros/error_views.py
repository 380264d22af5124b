"""Django's error pages; as JSON for clients that do not accept HTML."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views import defaults


def _json(request: HttpRequest, status: HTTPStatus, detail: str) -> JsonResponse | None:
    """Return the error as JSON, or None for a client that prefers HTML: a browser."""
    if request.get_preferred_type(["application/json", "text/html"]) == "text/html":
        return None
    return JsonResponse({"detail": detail}, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Return a 400 for a request that Django refuses, such as one with a wrong ``Host``."""
    return _json(request, HTTPStatus.BAD_REQUEST, "Bad request.") or defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Return a 403."""
    detail = "You do not have permission to perform this action."
    return _json(request, HTTPStatus.FORBIDDEN, detail) or defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Return a 404."""
    return _json(request, HTTPStatus.NOT_FOUND, "Not found.") or defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Return a 500 without details of the error, which is in the log."""
    detail = "A server error occurred."
    return _json(request, HTTPStatus.INTERNAL_SERVER_ERROR, detail) or defaults.server_error(request)
