"""Renderers: JSON, and the browsable API's pages."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from rest_framework import renderers

from orchestrator.json_codec import to_json


class JSONRenderer(renderers.BaseRenderer):
    """Renders JSON with orjson."""

    media_type = "application/json"
    format = "json"
    charset = None  # RFC 8259: JSON is UTF-8, and the media type has no charset parameter

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the JSON of ``data``, nothing for None; indented on the browsable API's pages."""
        if data is None:
            return b""
        return to_json(data, indent=bool((renderer_context or {}).get("indent")))


class BrowsableAPIRenderer(renderers.BrowsableAPIRenderer):
    """Renders the framework's pages."""

    def get_context(
        self, data: Any, accepted_media_type: str | None, renderer_context: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the context of the page's template."""
        context: dict[str, Any] = super().get_context(data, accepted_media_type, renderer_context)
        if renderer_context["response"].status_code != HTTPStatus.OK:
            context["paginator"] = None  # an error has no pages
        return context
