"""Middleware of the project."""

from collections.abc import Callable
from io import BytesIO

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

View = Callable[[HttpRequest], HttpResponseBase]


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
