"""Middleware of the project."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponseBase, HttpResponsePermanentRedirect, JsonResponse
from django.middleware.common import CommonMiddleware
from rest_framework.permissions import SAFE_METHODS

from kyros.web_server.request_body import REFUSAL
from orchestrator.cache import barrier

View = Callable[[HttpRequest], HttpResponseBase]

#: Load balancers and container platforms request these with any `Host`, or with none.
PROBES = frozenset({"/healthz", "/readyz"})


class HostCheckMiddleware(CommonMiddleware):
    """Django's `CommonMiddleware`, which checks the `Host` header of every request; here not of probes."""

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        """Refuse a request whose `Host` is not allowed, or redirect it."""
        return None if request.path_info in PROBES else super().process_request(request)


class _ForBrowsers:
    """Leaves a middleware out for requests to the API with a bearer token: they have no session."""

    get_response: Any

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Return the response to a request."""
        if request.path_info.startswith("/api/") and "HTTP_AUTHORIZATION" in request.META:
            scheme = request.META["HTTP_AUTHORIZATION"].partition(" ")[0]
            if scheme.lower() == "bearer":
                unchanged: HttpResponseBase = self.get_response(request)
                return unchanged
        response: HttpResponseBase = super().__call__(request)  # type: ignore[misc]
        return response


class BrowserSessionMiddleware(_ForBrowsers, SessionMiddleware):
    """Django's sessions."""


class BrowserUserMiddleware(_ForBrowsers, AuthenticationMiddleware):
    """The user of a session."""


class BrowserMessageMiddleware(_ForBrowsers, MessageMiddleware):
    """The messages that the next page shows."""


def refuse_unread_body(get_response: View) -> View:
    """Return a middleware that responds to requests whose body the web server did not read."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if refusal := request.META.get(REFUSAL):
            return JsonResponse({"detail": refusal.detail}, status=refusal.status)
        return get_response(request)

    return middleware


def wait_at_barrier(get_response: View) -> View:
    """Return a middleware that waits until what the response to an unsafe request acknowledges is visible."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if request.method not in SAFE_METHODS and response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
            barrier.wait()
        return response

    return middleware
