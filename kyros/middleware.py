"""Middleware of the project."""

from collections.abc import Callable
from io import BytesIO

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, HttpResponsePermanentRedirect
from django.middleware.common import CommonMiddleware

View = Callable[[HttpRequest], HttpResponseBase]

#: Load balancers and container platforms request these with any `Host`, or with none.
PROBES = frozenset({"/healthz", "/readyz"})


class HostCheckMiddleware(CommonMiddleware):
    """Django's `CommonMiddleware`, which checks the `Host` header of every request; here not of probes."""

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        """Refuse a request whose `Host` is not allowed, or redirect it."""
        return None if request.path_info in PROBES else super().process_request(request)


def buffer_chunked_body(get_response: View) -> View:
    """Return a middleware that buffers a chunked body (RFC 9112, 7.1) and sets its length.

    Django ignores a body without a length. At most one byte over `DATA_UPLOAD_MAX_MEMORY_SIZE` is read, which
    is enough for Django to refuse the body.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        chunked = "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "")
        if chunked and not request.META.get("CONTENT_LENGTH"):
            body = request.META["wsgi.input"].read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
            request.META["CONTENT_LENGTH"] = str(len(body))
            request._stream = BytesIO(body)  # noqa: SLF001 - Django's stream is empty
        return get_response(request)

    return middleware
