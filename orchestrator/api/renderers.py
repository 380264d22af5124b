"""What answers are made of: JSON, and pages for people who look at the same addresses."""

import re
from collections.abc import Mapping
from typing import Any, Final

from django.urls import reverse
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from rest_framework import renderers

from orchestrator.encoding import to_json

#: What is a link in shown JSON, once it is escaped: the own id, a job's id, and an address of a neighbour.
_LINKED: Final = re.compile(
    r"&quot;(?P<name>id|job_id)&quot;: &quot;(?P<id>[0-9a-f-]{36})&quot;|"
    r"&quot;(?P<url>https?://[^\s&]+(?:&amp;[^\s&]+)*)&quot;"
)


class JSONRenderer(renderers.BaseRenderer):
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


class BrowsableAPIRenderer(renderers.BrowsableAPIRenderer):
    """Renders answers as pages with the forms of what else may be asked for."""

    def get_context(
        self, data: Any, accepted_media_type: str | None, renderer_context: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return what the page shows."""
        context: dict[str, Any] = super().get_context(data, accepted_media_type, renderer_context)
        view, request = renderer_context["view"], renderer_context["request"]
        return {
            **context,
            "content": with_links(context["content"], _list_address(view)),
            "patch_form": self.get_rendered_html_form(data, view, "PATCH", request),
        }


def _list_address(view: Any) -> str:
    """Return where the rows are that a view shows; nothing where it shows none."""
    model = getattr(getattr(getattr(view, "serializer_class", None), "Meta", None), "model", None)
    return reverse(f"{model._meta.model_name}-list") if model else ""


def with_links(content: str, list_address: str) -> SafeString:
    """Return JSON as HTML, where ids and addresses lead to what they name.

    Args:
        content: the JSON, indented.
        list_address: where the rows with an ``id`` are; nothing if they are nowhere.
    """

    def link(found: re.Match[str]) -> str:
        if found["url"]:
            return f'&quot;<a href="{found["url"]}">{found["url"]}</a>&quot;'
        at = reverse("job-list") if found["name"] == "job_id" else list_address
        if not at:
            return found[0]
        return f'&quot;{found["name"]}&quot;: &quot;<a href="{at}{found["id"]}/">{found["id"]}</a>&quot;'

    return mark_safe(_LINKED.sub(link, escape(content)))  # noqa: S308 - escaped first; what is added holds no text
