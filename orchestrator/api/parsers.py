"""Parses request bodies: strict JSON of limited size and depth."""

from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework import parsers
from rest_framework.exceptions import ParseError

from orchestrator.api.renderers import JSONRenderer
from orchestrator.json_codec import exceeds_depth, from_json
from orchestrator.limits import MAX_BODY_DEPTH


class JSONParser(parsers.BaseParser):
    """Parses strict JSON with orjson."""

    media_type = "application/json"
    renderer_class = JSONRenderer  # fills the browsable API's form

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the body's data.

        Raises:
            ParseError: when the body is not JSON or nested too deeply.
            RequestDataTooBig: when it has more than ``DATA_UPLOAD_MAX_MEMORY_SIZE`` bytes.
        """
        try:
            body = from_json(_read(stream))
        except ValueError as error:
            raise ParseError(f"The body is not JSON: {error}") from error
        if exceeds_depth(body, MAX_BODY_DEPTH):
            raise ParseError(f"The body is nested too deeply. Allowed: at most {MAX_BODY_DEPTH} levels.")
        return body


def _read(stream: IO[Any]) -> bytes:
    """Return the whole body. Django checks the size only of bodies that Django itself reads."""
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    body: bytes = stream.read(limit + 1)
    if len(body) > limit:
        raise RequestDataTooBig(f"The body is too large. Allowed: at most {limit} bytes.")
    return body
