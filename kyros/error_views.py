"""Django's error pages; as JSON for clients that do not accept HTML."""

import sys
from http import HTTPStatus

from django.contrib import admin
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.template.loader import render_to_string
from django.utils.cache import add_never_cache_headers
from django.views import defaults

from orchestrator.api.exception_handler import RETRY_AFTER_SECONDS, unavailable


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
    """Return a 500, or a 503 if the database is unavailable. The details are in the log."""
    error = sys.exception()
    if isinstance(error, (OperationalError, InterfaceError)):
        return _database_unavailable(request, unavailable(error))
    detail = "A server error occurred."
    return _json(request, HTTPStatus.INTERNAL_SERVER_ERROR, detail) or defaults.server_error(request)


def _database_unavailable(request: HttpRequest, reason: str) -> HttpResponseBase:
    status = HTTPStatus.SERVICE_UNAVAILABLE
    response = _json(request, status, reason) or HttpResponse(_page(reason), status=status)
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    add_never_cache_headers(response)
    return response


def _page(reason: str) -> str:
    # Rendered without the request: its user would have to be read from the database.
    site = admin.site
    context = {
        "site_header": site.site_header,
        "site_title": site.site_title,
        "title": "Database unavailable",
        "reason": reason,
    }
    return render_to_string("console/database_unavailable.html", context)
