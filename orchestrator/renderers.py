"""What answers are made of: JSON, and the browsable pages."""

from collections.abc import Mapping
from typing import Any

from rest_framework.renderers import BaseRenderer

from orchestrator.encoding import to_json


class JSONRenderer(BaseRenderer):
    """Renders answers with orjson."""

    media_type = "application/json"
    format = "json"
    charset = None  # RFC 8259: JSON is UTF-8, the media type has no such parameter

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the JSON of ``data``, nothing for None, and indented on the browsable pages."""
        if data is None:
            return b""
        return to_json(data, indent=bool((renderer_context or {}).get("indent")))
