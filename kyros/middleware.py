"""Middleware of the project."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase, JsonResponse

from kyros.web_server.request_body import REFUSAL

View = Callable[[HttpRequest], HttpResponseBase]


def refuse_unread_body(get_response: View) -> View:
    """Return a middleware that responds to requests whose body the web server did not read."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if refusal := request.META.get(REFUSAL):
            return JsonResponse({"detail": refusal.detail}, status=refusal.status)
        return get_response(request)

    return middleware
