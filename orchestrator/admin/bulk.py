"""Changes of many jobs: of a selection, or of all that the list's filter matches, whatever their number."""

from typing import Any, Final

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ORDER_VAR
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    JsonResponse,
    QueryDict,
)
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.views.decorators.http import require_POST, require_safe

from orchestrator.admin.base import TableAdmin, operator
from orchestrator.admin.export import export
from orchestrator.admin.paging import CURSOR_VAR
from orchestrator.console import bulk
from orchestrator.console.log import note
from orchestrator.console.models import BulkAction, BulkChange, BulkState
from orchestrator.limits import INT32_LARGEST, INT32_SMALLEST, REASON_LONGEST
from orchestrator.models import Job
from orchestrator.querysets import JobQuerySet

#: Jobs that are shown before a change is made to them.
SHOWN: Final = 20


class BeginForm(forms.Form):
    """Why a change is made."""

    reason = forms.CharField(
        max_length=REASON_LONGEST, required=False, help_text="Optional; goes into the history of each job."
    )


class PriorityForm(BeginForm):
    """The priority that the jobs shall have, and why."""

    priority = forms.IntegerField(
        min_value=INT32_SMALLEST, max_value=INT32_LARGEST, initial=0, help_text="Higher goes first."
    )
    field_order = ["priority", "reason"]


class BulkAdmin(TableAdmin):
    """The part of the jobs' pages that changes many at once."""

    actions = ("retry", "cancel", "change_priority", "delete_selected", "export_csv", "export_jsonl")
    acts_across_pages = True

    @admin.action(description="Queue again", permissions=["change"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse:
        """Prepare to make jobs pending."""
        return self._prepare(request, BulkAction.RETRY)

    @admin.action(description="Cancel", permissions=["change"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse:
        """Prepare to cancel jobs."""
        return self._prepare(request, BulkAction.CANCEL)

    @admin.action(description="Change the priority", permissions=["change"])
    def change_priority(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse:
        """Prepare to give jobs another priority."""
        return self._prepare(request, BulkAction.PRIORITY)

    @admin.action(description="Delete", permissions=["delete"])
    def delete_selected(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse:
        """Prepare to delete jobs."""
        return self._prepare(request, BulkAction.DELETE)

    @admin.action(description="Export as CSV", permissions=["view"])
    def export_csv(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponseBase:
        """Send jobs as CSV."""
        return self._export(request, queryset, "csv")

    @admin.action(description="Export as JSON Lines", permissions=["view"])
    def export_jsonl(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponseBase:
        """Send jobs as JSON, one in each line."""
        return self._export(request, queryset, "jsonl")

    def get_urls(self) -> list[Any]:
        """Return the pages' addresses, with those of the changes."""
        pages = (
            ("", require_safe(self.bulk_view), "bulk"),
            ("start/", require_POST(self.start_view), "bulk_start"),
            ("step/", require_POST(self.step_view), "bulk_step"),
            ("stop/", require_POST(self.stop_view), "bulk_stop"),
        )
        own = [
            path(
                f"bulk/<int:number>/{end}", self.admin_site.admin_view(view), name=f"orchestrator_job_{name}"
            )
            for end, view, name in pages
        ]
        return [*own, *super().get_urls()]

    def bulk_view(self, request: HttpRequest, number: int, form: forms.Form | None = None) -> HttpResponse:
        """Show what a change will do, how far it is, or what it did."""
        change = self._change(request, number)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.model._meta,
            "title": change.get_action_display(),
            "change": change,
            "form": form or _form_of(change),
            **(self._preview(request, change) if change.state == BulkState.PREPARED else {}),
        }
        return TemplateResponse(request, "console/bulk.html", context)

    def start_view(self, request: HttpRequest, number: int) -> HttpResponse:
        """Begin a change that was prepared."""
        change = self._change(request, number)
        form = _form_of(change, request.POST)
        if change.state != BulkState.PREPARED:
            return self._back(change)
        if not form.is_valid():
            return self.bulk_view(request, number, form)
        for name, value in form.cleaned_data.items():
            setattr(change, name, value)
        with transaction.atomic():
            bulk.begin(change, self._jobs(request, change))
            note(request, "Jobs", f"Begun: {_about(change)}")
        return self._back(change)

    def step_view(self, request: HttpRequest, number: int) -> HttpResponse:
        """Carry a change on for half a second."""
        change = self._change(request, number)
        was_open = change.is_open
        bulk.carry_on(change, self._jobs(request, change), operator(request))
        change.refresh_from_db()
        if was_open and not change.is_open:
            self._log_end(request, change)
        if "application/json" not in request.headers.get("Accept", ""):
            return self._back(change)
        return JsonResponse({"state": change.state, "changed": change.changed, "total": change.total})

    def stop_view(self, request: HttpRequest, number: int) -> HttpResponse:
        """Stop a change where it is."""
        change = self._change(request, number)
        if bulk.stop(change):
            change.refresh_from_db()
            self._log_end(request, change)
        return self._back(change)

    def _prepare(self, request: HttpRequest, action: BulkAction) -> HttpResponse:
        """Note what an operator wants to change, and show it to them."""
        across = request.POST.get("select_across") == "1"
        query = request.GET.copy()
        for name in (CURSOR_VAR, ORDER_VAR):
            query.pop(name, None)
        change = BulkChange.objects.create(
            by=operator(request),
            action=action,
            job_ids=None if across else request.POST.getlist(admin.helpers.ACTION_CHECKBOX_NAME),
            query=query.urlencode() if across else "",
        )
        return self._back(change)

    def _export(self, request: HttpRequest, queryset: QuerySet[Job], kind: str) -> HttpResponseBase:
        about = "all that match" if request.POST.get("select_across") == "1" else "a selection"
        text = f"Exported {about} as {kind}; filter: {request.GET.urlencode() or 'none'}"
        note(request, "Jobs", text)
        return export(queryset, kind)

    def _change(self, request: HttpRequest, number: int) -> BulkChange:
        change = get_object_or_404(BulkChange, pk=number)
        may = (
            self.has_delete_permission(request)
            if change.action == BulkAction.DELETE
            else self.has_change_permission(request)
        )
        if not may:
            raise PermissionDenied
        return change

    def _jobs(self, request: HttpRequest, change: BulkChange) -> JobQuerySet:
        """Return the jobs of the list that a change was asked for from."""
        if change.job_ids is not None:
            return bulk.jobs_of(change, self.get_queryset(request))
        shown, request.GET = request.GET, QueryDict(change.query)
        try:
            return bulk.jobs_of(change, self.get_changelist_instance(request).get_queryset(request))
        finally:
            request.GET = shown

    def _preview(self, request: HttpRequest, change: BulkChange) -> dict[str, Any]:
        jobs = self._jobs(request, change)
        concerned = bulk.concerned(change, jobs)
        matching, number = bulk.number_of(jobs), bulk.number_of(concerned)
        left = None if matching is None or number is None else matching - number
        shown = concerned.order_by("-created_at", "-id")[:SHOWN]
        return {"number": number, "left": left, "shown": shown, "counted": bulk.COUNTED}

    def _log_end(self, request: HttpRequest, change: BulkChange) -> None:
        text = f"{change.get_state_display()}: {_about(change)}; {change.changed} jobs changed"
        note(request, "Jobs", text)

    def _back(self, change: BulkChange) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:orchestrator_job_bulk", args=[change.pk]))


def _form_of(change: BulkChange, data: QueryDict | None = None) -> forms.Form:
    kind = PriorityForm if change.action == BulkAction.PRIORITY else BeginForm
    return kind(data, initial={"reason": change.reason})


def _about(change: BulkChange) -> str:
    """Return what a change does, for the log."""
    which = (
        f"{len(change.job_ids)} selected"
        if change.job_ids is not None
        else f"all with {change.query or 'any'}"
    )
    to = f" to {change.priority}" if change.action == BulkAction.PRIORITY else ""
    because = f" because: {change.reason}" if change.reason else ""
    return f"{change.get_action_display()}{to}, {which}{because}"
