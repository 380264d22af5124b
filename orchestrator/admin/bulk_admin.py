"""Bulk changes and exports: of selected rows, or of all rows that match the list's filters."""

from collections.abc import Callable
from typing import Any, ClassVar, Final

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import display_for_field, label_for_field, lookup_field
from django.contrib.admin.views.main import ORDER_VAR
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model, QuerySet
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

from orchestrator.admin.base import KeysetModelAdmin, acting_username
from orchestrator.admin.change_list import CURSOR_VAR, KeysetChangeList
from orchestrator.console import bulk_runs
from orchestrator.console.audit_log import log_action
from orchestrator.console.exports import export
from orchestrator.console.html_formatting import NOTHING
from orchestrator.console.models import BulkAction, BulkChange, BulkState
from orchestrator.limits import MAX_INT32, MAX_REASON_LENGTH, MIN_INT32
from orchestrator.listing import Selection

#: Rows in the preview of a change.
MAX_PREVIEWED: Final = 20

#: Names of actions in the list's form where they differ from the action's value.
_NAMES: Final = {BulkAction.PRIORITY: "change_priority", BulkAction.DELETE: "delete_selected"}
_EXPORTS: Final = {"export_csv": ("csv", "Export as CSV"), "export_jsonl": ("jsonl", "Export as JSON Lines")}

Action = tuple[Callable[..., HttpResponseBase], str, str]


class BulkChangeForm(forms.Form):
    """The reason for a change."""

    reason = forms.CharField(max_length=MAX_REASON_LENGTH, required=False)


class PriorityForm(BulkChangeForm):
    """The new priority of jobs, and the reason."""

    priority = forms.IntegerField(
        min_value=MIN_INT32, max_value=MAX_INT32, initial=0, help_text="Higher goes first."
    )
    field_order = ["priority", "reason"]


class BulkModelAdmin(KeysetModelAdmin):
    """Pages of a table with bulk changes (``orchestrator.console.bulk_runs``) and exports."""

    #: Columns of the preview.
    preview: ClassVar[tuple[str, ...]] = ()
    #: A sentence in every preview.
    bulk_note = "The change is recorded in the admin log under your name."
    reason_help = "Optional. It is recorded in the admin log."

    def get_actions(self, request: HttpRequest) -> dict[str, Action]:  # type: ignore[override]
        """Return the actions that the user may run, as Django expects them."""
        changes = [
            action for action in bulk_runs.OPERATIONS[self.opts.db_table] if self._may(request, action)
        ]
        names = {action: _NAMES.get(action, action.value) for action in changes}
        prepared = {name: (_prepare_action(action), name, action.label) for action, name in names.items()}
        exports = {name: (_export_action(kind), name, label) for name, (kind, label) in _EXPORTS.items()}
        return {**prepared, **exports}

    def get_urls(self) -> list[Any]:
        """Return the URLs, including those of bulk changes."""
        pages = (
            ("", require_safe(self.bulk_view), "bulk"),
            ("start/", require_POST(self.start_view), "bulk_start"),
            ("step/", require_POST(self.step_view), "bulk_step"),
            ("stop/", require_POST(self.stop_view), "bulk_stop"),
        )
        own = [
            path(f"bulk/<int:number>/{end}", self.admin_site.admin_view(view), name=self._name(name))
            for end, view, name in pages
        ]
        return [*own, *super().get_urls()]

    def bulk_view(self, request: HttpRequest, number: int, form: forms.Form | None = None) -> HttpResponse:
        """Show a change's preview, progress or result."""
        change = self._change(request, number)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.model._meta,
            "title": change.get_action_display(),
            "change": change,
            "form": form or self._form(change),
            "bulk_note": self.bulk_note,
            "rows_name": self.opts.verbose_name_plural,
            "past_verb": "deleted" if change.action == BulkAction.DELETE else "changed",
            **(self._preview(request, change) if change.state == BulkState.PREPARED else {}),
        }
        return TemplateResponse(request, "console/bulk.html", context)

    def start_view(self, request: HttpRequest, number: int) -> HttpResponse:
        """Start a prepared change."""
        change = self._change(request, number)
        form = self._form(change, request.POST)
        if change.state != BulkState.PREPARED:
            return self._back(change)
        if not form.is_valid():
            return self.bulk_view(request, number, form)
        for name, value in form.cleaned_data.items():
            setattr(change, name, value)
        with transaction.atomic():
            bulk_runs.start(change, self._selection(request, change))
            self._log(request, f"Started: {_description(change)}")
        return self._back(change)

    def step_view(self, request: HttpRequest, number: int) -> HttpResponse:
        """Run a change's next step."""
        change = self._change(request, number)
        was_open = change.is_open
        bulk_runs.run_step(change, self._selection(request, change), acting_username(request))
        change.refresh_from_db()
        if was_open and not change.is_open:
            self._log_end(request, change)
        if "application/json" not in request.headers.get("Accept", ""):
            return self._back(change)
        return JsonResponse({"state": change.state, "changed": change.changed, "total": change.total})

    def stop_view(self, request: HttpRequest, number: int) -> HttpResponse:
        """Stop a change; rows already changed stay changed."""
        change = self._change(request, number)
        if bulk_runs.stop(change):
            change.refresh_from_db()
            self._log_end(request, change)
        return self._back(change)

    def prepare(self, request: HttpRequest, action: BulkAction) -> HttpResponse:
        """Save a new change, and redirect to its preview."""
        across = request.POST.get("select_across") == "1"
        query = request.GET.copy()
        for name in (CURSOR_VAR, ORDER_VAR):
            query.pop(name, None)
        change = BulkChange.objects.create(
            by=acting_username(request),
            table=self.opts.db_table,
            action=action,
            row_ids=None if across else request.POST.getlist(admin.helpers.ACTION_CHECKBOX_NAME),
            query=query.urlencode() if across else "",
        )
        return self._back(change)

    def export(self, request: HttpRequest, kind: str) -> HttpResponseBase:
        """Return selected or matching rows as a file."""
        if request.POST.get("select_across") == "1":
            about, selection = "all matching rows", self._change_list(request).selection
        else:
            ids = request.POST.getlist(admin.helpers.ACTION_CHECKBOX_NAME)
            about, selection = "selected rows", Selection.of_ids(self.list_definition, ids)
        self._log(request, f"Exported {about} as {kind}; filter: {request.GET.urlencode() or 'none'}")
        return export(selection, kind)

    def _may(self, request: HttpRequest, action: BulkAction) -> bool:
        if action == BulkAction.DELETE:
            return self.has_delete_permission(request)
        return self.has_change_permission(request)

    def _change(self, request: HttpRequest, number: int) -> BulkChange:
        change = get_object_or_404(BulkChange, pk=number, table=self.opts.db_table)
        if not self._may(request, BulkAction(change.action)):
            raise PermissionDenied
        return change

    def _change_list(self, request: HttpRequest) -> KeysetChangeList:
        change_list = self.get_changelist_instance(request)
        assert isinstance(change_list, KeysetChangeList)  # noqa: S101 - narrows the type
        return change_list

    def _selection(self, request: HttpRequest, change: BulkChange) -> Selection:
        """Return the rows that a change targets."""
        query, request.GET = request.GET, QueryDict(change.query)
        try:
            conditions = self._change_list(request).selection.conditions
        finally:
            request.GET = query
        return bulk_runs.targeted(change, self.list_definition, conditions)

    def _preview(self, request: HttpRequest, change: BulkChange) -> dict[str, Any]:
        selection = self._selection(request, change)
        eligible = bulk_runs.eligible(change, selection)
        number = eligible.count(bulk_runs.MAX_COUNTED)
        matching = None if number is None else selection.count(bulk_runs.MAX_COUNTED)
        rows = eligible.page(size=MAX_PREVIEWED).rows
        return {
            "number": number,
            "ineligible": None if number is None or matching is None else matching - number,
            "headers": [label_for_field(name, self.model, model_admin=self) for name in self.preview],
            "rows": [(row, [self._cell(row, name) for name in self.preview]) for row in rows],
        }

    def _cell(self, row: Model, name: str) -> Any:
        field, _, value = lookup_field(name, row, self)
        return value if field is None else display_for_field(value, field, NOTHING)

    def _form(self, change: BulkChange, data: QueryDict | None = None) -> forms.Form:
        kind = PriorityForm if change.action == BulkAction.PRIORITY else BulkChangeForm
        form = kind(data, initial={"reason": change.reason})
        form.fields["reason"].help_text = self.reason_help
        return form

    def _log_end(self, request: HttpRequest, change: BulkChange) -> None:
        done = f"{change.changed} {change.table} changed"
        self._log(request, f"{change.get_state_display()}: {_description(change)}; {done}")

    def _log(self, request: HttpRequest, text: str) -> None:
        log_action(request, self.opts.db_table.capitalize(), text)

    def _name(self, page: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{page}"

    def _back(self, change: BulkChange) -> HttpResponse:
        return HttpResponseRedirect(reverse(f"admin:{self._name('bulk')}", args=[change.pk]))


def _prepare_action(action: BulkAction) -> Callable[..., HttpResponseBase]:
    def prepare(table: BulkModelAdmin, request: HttpRequest, _: QuerySet[Any]) -> HttpResponseBase:
        return table.prepare(request, action)

    return prepare


def _export_action(kind: str) -> Callable[..., HttpResponseBase]:
    def send(table: BulkModelAdmin, request: HttpRequest, _: QuerySet[Any]) -> HttpResponseBase:
        return table.export(request, kind)

    return send


def _description(change: BulkChange) -> str:
    """Return a description of a change for the log."""
    which = (
        f"{len(change.row_ids)} selected"
        if change.row_ids is not None
        else f"all matching {change.query or 'no filter'}"
    )
    to = f" to {change.priority}" if change.action == BulkAction.PRIORITY else ""
    because = f"; reason: {change.reason}" if change.reason else ""
    return f"{change.get_action_display()}{to}, {which}{because}"
