"""What request bodies may be: JSON, or a form of the browsable pages; never larger than the limit."""

from collections.abc import Mapping
from io import BytesIO
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework import parsers
from rest_framework.exceptions import ParseError

from orchestrator.api.renderers import JSONRenderer
from orchestrator.encoding import from_json, is_deeper
from orchestrator.limits import BODY_DEEPEST

Context = Mapping[str, Any] | None


class JSONParser(parsers.BaseParser):
    """Reads strict JSON with orjson."""

    media_type = "application/json"
    renderer_class = JSONRenderer  # writes what a browsable page's form of JSON begins with

    def parse(self, stream: IO[Any], media_type: str | None = None, parser_context: Context = None) -> Any:
        """Return what the body says.

        Raises:
            ParseError: when it is not JSON, or nested too deep.
            RequestDataTooBig: when it has more than ``DATA_UPLOAD_MAX_MEMORY_SIZE`` bytes.
        """
        try:
            body = from_json(_limited(stream))
        except ValueError as error:
            raise ParseError(f"The body is not JSON: {error}") from error
        if is_deeper(body, BODY_DEEPEST):
            raise ParseError(f"The body is nested deeper than the {BODY_DEEPEST} levels that are allowed.")
        return body


class FormParser(parsers.FormParser):
    """Reads the forms of the browsable pages."""

    def parse(self, stream: IO[Any], media_type: str | None = None, parser_context: Context = None) -> Any:
        """Return the form's fields; raise as ``JSONParser`` does for too many bytes."""
        return super().parse(BytesIO(_limited(stream)), media_type, parser_context)


def _limited(stream: IO[Any]) -> bytes:
    """Return the whole body. Django checks its size only where Django reads it."""
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    body: bytes = stream.read(limit + 1)
    if len(body) > limit:
        raise RequestDataTooBig(f"The body is larger than the {limit} bytes that are allowed.")
    return body
