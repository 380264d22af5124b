"""Error views: JSON for the API's URLs, Django's HTML pages for all others."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views import defaults

JSON_PATHS = ("/api/", "/auth/", "/monitoring/", "/healthz", "/readyz", "/metrics")


def _detail(request: HttpRequest, status: HTTPStatus, detail: str) -> JsonResponse | None:
    """Return the error as JSON, or None for a URL that people open in a browser."""
    if not request.path.startswith(JSON_PATHS):
        return None
    return JsonResponse({"detail": detail}, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Return 400 for a request that Django could not parse."""
    return _detail(request, HTTPStatus.BAD_REQUEST, "Bad request.") or defaults.bad_request(
        request, exception
    )


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Return 403 for an action that this user has no permission for."""
    detail = "You do not have permission to perform this action."
    return _detail(request, HTTPStatus.FORBIDDEN, detail) or defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Return 404 for a URL that does not exist."""
    return _detail(request, HTTPStatus.NOT_FOUND, "Not found.") or defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Return 500 without details of the error, which is in the log."""
    detail = "A server error occurred."
    return _detail(request, HTTPStatus.INTERNAL_SERVER_ERROR, detail) or defaults.server_error(request)
