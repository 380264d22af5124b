"""Django's error pages, as JSON where a program asked: under the addresses of the API."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views import defaults

PROGRAM_PATHS = ("/api/", "/auth/", "/monitoring/", "/healthz", "/readyz", "/metrics")


def _detail(request: HttpRequest, status: HTTPStatus, detail: str) -> JsonResponse | None:
    """Return the error `detail` as JSON, or None for a page of the site, which a person reads."""
    if not request.path.startswith(PROGRAM_PATHS):
        return None
    return JsonResponse({"detail": detail}, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer 400 for a request that Django could not take apart."""
    return _detail(request, HTTPStatus.BAD_REQUEST, "Bad request.") or defaults.bad_request(
        request, exception
    )


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer 403 for what this user may not do."""
    detail = "You do not have permission to perform this action."
    return _detail(request, HTTPStatus.FORBIDDEN, detail) or defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer 404 for an address that leads nowhere."""
    return _detail(request, HTTPStatus.NOT_FOUND, "Not found.") or defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Answer 500 without a word about the error, which is in the log."""
    detail = "A server error occurred."
    return _detail(request, HTTPStatus.INTERNAL_SERVER_ERROR, detail) or defaults.server_error(request)
