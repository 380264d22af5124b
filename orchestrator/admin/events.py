"""Events in the admin: read-only."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from orchestrator.admin.base import is_uuid
from orchestrator.admin.bulk_admin import BulkModelAdmin
from orchestrator.console.html_formatting import NOTHING, payload_text, readable_json
from orchestrator.lists import EVENTS
from orchestrator.models import Event


@admin.register(Event)
class EventAdmin(BulkModelAdmin):
    """The pages of events. The domain writes them, and nobody changes them."""

    list_display = ("type", "of_job", "by", "reason", "created")
    list_definition = EVENTS
    search_filters = ("id", "job")
    search_help_text = "Event type, event ID or job ID"
    fields = ("type", "of_job", "content", "id", "created_at")
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def search(self, text: str) -> dict[str, str]:
        if not is_uuid(text):
            return {"type": text}
        return {"id" if Event.objects.filter(pk=text).exists() else "job": text}

    @admin.display(description="job")
    def of_job(self, event: Event) -> SafeString | str:
        if event.job_id is None:
            return NOTHING
        page = reverse("admin:orchestrator_job_change", args=[event.job_id])
        return format_html('<a href="{}"><code>{}</code></a>', page, event.job_id)

    @admin.display(description="by")
    def by(self, event: Event) -> str:
        return payload_text(event.payload, "by") or payload_text(event.payload, "agent") or NOTHING

    @admin.display(description="reason")
    def reason(self, event: Event) -> str:
        return payload_text(event.payload, "reason") or NOTHING

    @admin.display(description="payload")
    def content(self, event: Event) -> SafeString:
        return readable_json(event.payload)
