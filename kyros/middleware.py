"""What every request passes before the views."""

from collections.abc import Callable
from io import BytesIO

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

View = Callable[[HttpRequest], HttpResponseBase]


def buffer_chunked_body(get_response: View) -> View:
    """Return a middleware that gives a body in chunks (RFC 9112, 7.1) its length: Django sees none without.

    Of a body that is too large, one byte over `DATA_UPLOAD_MAX_MEMORY_SIZE` is read: enough to refuse it.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        chunked = "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "")
        if chunked and not request.META.get("CONTENT_LENGTH"):
            body = request.META["wsgi.input"].read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
            request.META["CONTENT_LENGTH"] = str(len(body))
            request._stream = BytesIO(body)  # noqa: SLF001 - Django's is empty
        return get_response(request)

    return middleware
