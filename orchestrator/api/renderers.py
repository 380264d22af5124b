"""Renderers: JSON, and the browsable API's pages."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from rest_framework import renderers

from orchestrator.json_codec import to_json

#: A row's own id or a job's id in JSON, as a person may follow it.
_ID: Final = re.compile(r'"(?P<name>id|job_id)": "(?P<id>[0-9a-f-]{36})"')
#: Quotation marks stay: the page finds URLs between them.
_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})

#: The framework's pages load scripts and styles from this server only, and set styles in attributes.
_CONTENT_SECURITY_POLICY: Final = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


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
    """Renders the framework's pages, with a content security policy and with ids as links."""

    def get_context(
        self, data: Any, accepted_media_type: str | None, renderer_context: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the context of the page's template."""
        context: dict[str, Any] = super().get_context(data, accepted_media_type, renderer_context)
        response = renderer_context["response"]
        response["Content-Security-Policy"] = _CONTENT_SECURITY_POLICY
        context["content"] = link_ids(context["content"], _list_url(renderer_context["view"]))
        if response.status_code != HTTPStatus.OK:
            context["paginator"] = None  # an error has no pages
        return context


def _list_url(view: Any) -> str:
    """Return the URL of the list of a view's rows; empty if the view shows no rows."""
    model = getattr(getattr(getattr(view, "serializer_class", None), "Meta", None), "model", None)
    return reverse(f"{model._meta.model_name}-list") if model else ""


def link_ids(content: str, list_url: str) -> SafeString:
    """Return JSON as HTML in which each id links to its row.

    Args:
        content: the JSON, indented.
        list_url: the URL of the list that the rows with an ``id`` are from; empty if there is none.
    """

    def link(match: re.Match[str]) -> str:
        url = reverse("job-list") if match["name"] == "job_id" else list_url
        if not url:
            return match[0]
        return f'"{match["name"]}": "<a href="{url}{match["id"]}/">{match["id"]}</a>"'

    # Safe: the content is escaped first, and a link holds nothing but a URL of ours and a UUID.
    return mark_safe(_ID.sub(link, content.translate(_ESCAPES)))  # noqa: S308
