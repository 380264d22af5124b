"""Events: read, never changed."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from orchestrator.admin.base import TableAdmin
from orchestrator.admin.display import NOTHING, ago, readable_json
from orchestrator.admin.jobs import as_id
from orchestrator.choices import JobEvent
from orchestrator.models import Event


class JobEventFilter(admin.SimpleListFilter):
    """Events by the types that the service itself writes; others are found by searching for them."""

    title = "type"
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: "admin.ModelAdmin[Any]") -> list[tuple[str, str]]:
        """Return the types."""
        return [(event.value, event.label) for event in JobEvent]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        """Return the events of the type that was asked for."""
        return queryset.filter(type=self.value()) if self.value() else queryset


@admin.register(Event)
class EventAdmin(TableAdmin):
    """The pages of events."""

    list_display = ("type", "of_job", "by", "reason", "created")
    list_filter = (JobEventFilter, "created_at")
    sortable_by = ("created",)
    search_fields = ("type",)
    search_help_text = "A type, the id of an event, or the id of a job"
    fields = ("type", "of_job", "content", "id", "created_at")
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Tell that nobody writes events by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell that what happened stays."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell that what happened stays."""
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Event], search_term: str
    ) -> tuple[QuerySet[Event], bool]:
        """Return the event of an id, the events of a job's id, or those of a type."""
        if not search_term:
            return queryset, False
        if row_id := as_id(search_term):
            return queryset.filter(Q(pk=row_id) | Q(job_id=row_id)), False
        return queryset.filter(type=search_term.strip()), False

    @admin.display(description="job")
    def of_job(self, event: Event) -> SafeString | str:
        """Return a link to the job that the event belongs to."""
        if event.job_id is None:
            return NOTHING
        page = reverse("admin:orchestrator_job_change", args=[event.job_id])
        return format_html('<a href="{}"><code>{}</code></a>', page, event.job_id)

    @admin.display(description="by")
    def by(self, event: Event) -> str:
        """Return who did it."""
        return _text(event.payload, "by") or _text(event.payload, "agent") or NOTHING

    @admin.display(description="reason")
    def reason(self, event: Event) -> str:
        """Return why it was done."""
        return _text(event.payload, "reason") or NOTHING

    @admin.display(description="payload")
    def content(self, event: Event) -> SafeString:
        """Return the payload, a line for each member."""
        return readable_json(event.payload)

    @admin.display(description="created", ordering="created_at")
    def created(self, event: Event) -> SafeString | str:
        """Return how long ago it happened."""
        return ago(event.created_at)


def _text(payload: Any, name: str) -> str:
    """Return a member of a payload if it is a text; clients may put anything into theirs."""
    value = payload.get(name) if isinstance(payload, dict) else None
    return value if isinstance(value, str) else ""
