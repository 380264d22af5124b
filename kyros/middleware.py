"""Middleware of the project."""

from collections.abc import Callable
from http import HTTPStatus

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
