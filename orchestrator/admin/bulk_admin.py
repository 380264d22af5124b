"""Bulk changes and exports: of selected rows, or of all rows that match the list's filters."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final, cast

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import display_for_field, label_for_field, lookup_field
from django.contrib.admin.views.main import ORDER_VAR
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.views.decorators.http import require_POST, require_safe

from monitoring import task_runs
from orchestrator.admin.base import KeysetModelAdmin, acting_username
from orchestrator.admin.change_list import CURSOR_VAR, KeysetChangeList
from orchestrator.console import bulk_runs
from orchestrator.console.audit_log import log_action
from orchestrator.console.bulk_operations import OPERATIONS
from orchestrator.console.exports import export
from orchestrator.console.html_formatting import NOTHING
from orchestrator.console.models import BulkAction, BulkChange, BulkState
from orchestrator.limits import MAX_INT32, MAX_REASON_LENGTH, MIN_INT32
from orchestrator.listing import Selection
from orchestrator.models import Job, Task, User

#: The background task that goes on with changes.
BULK_TASK: Final = "run_bulk_changes"

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

    #: A sentence in every preview.
    bulk_note = "The change is recorded in the admin log under your name."
    reason_help = "Optional. It is recorded in the admin log."

    def get_actions(self, request: HttpRequest) -> dict[str, Action]:  # type: ignore[override]
        actions: dict[str, Action] = {}
        for action in OPERATIONS[self.opts.db_table]:
            if self._may(request, action):
                name = _NAMES.get(action, action.value)
                actions[name] = (partial(BulkModelAdmin.prepare, action=action), name, action.label)
        for name, (kind, label) in _EXPORTS.items():
            actions[name] = (partial(BulkModelAdmin.export, kind=kind), name, label)
        return actions

    def get_urls(self) -> list[Any]:
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
            "in_background": task_runs.is_active(BULK_TASK),
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
            return self._page_of(change)
        if not form.is_valid():
            return self.bulk_view(request, number, form)
        for name, value in {**form.cleaned_data, "by": acting_username(request)}.items():
            setattr(change, name, value)
        with transaction.atomic():
            if bulk_runs.start(change, self._selection(change)):
                self._log(request, f"Started: {_description(change)}")
        return self._page_of(change)

    def step_view(self, request: HttpRequest, number: int) -> HttpResponse:
        """Run a change's next step."""
        change = self._change(request, number)
        if task_runs.is_active(BULK_TASK):
            return self._page_of(change)  # the worker does it; the page shows how far it is
        if bulk_runs.run_step(change, self._selection(change)):
            self._log_end(request, change)
        return self._page_of(change)

    def go_on(self, change: BulkChange, may_go_on: Callable[[], bool]) -> None:
        """Run a change's steps until it ends, outside a request.

        Args:
            change: a change of this table that is running.
            may_go_on: called before each step; False ends the work.
        """
        request, selection = HttpRequest(), self._selection(change)
        while may_go_on() and change.state == BulkState.RUNNING:
            user = User.objects.filter(username=change.by, active=True).first()
            request.user = user or AnonymousUser()
            if not self._may(request, BulkAction(change.action)):
                bulk_runs.stop(change)
            elif bulk_runs.run_step(change, selection):
                self._log_end(request, change)
            change.refresh_from_db()

    def stop_view(self, request: HttpRequest, number: int) -> HttpResponse:
        """Stop a change; rows already changed stay changed."""
        change = self._change(request, number)
        if bulk_runs.stop(change):
            self._log_end(request, change)
        return self._page_of(change)

    def prepare(self, request: HttpRequest, _: QuerySet[Any], action: BulkAction) -> HttpResponse:
        """Save a new change, and redirect to its preview."""
        query = request.GET.copy()
        for name in (CURSOR_VAR, ORDER_VAR):
            query.pop(name, None)
        ids = _selected_ids(request)
        change = BulkChange.objects.create(
            by=acting_username(request),
            table=self.opts.db_table,
            action=action,
            row_ids=ids,
            query=query.urlencode() if ids is None else "",
        )
        return self._page_of(change)

    def export(self, request: HttpRequest, _: QuerySet[Any], kind: str) -> HttpResponseBase:
        """Return selected or matching rows as a file."""
        ids = _selected_ids(request)
        if ids is None:
            about, selection = (
                "all matching rows",
                cast("KeysetChangeList", self.get_changelist_instance(request)).selection,
            )
        else:
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

    def _selection(self, change: BulkChange) -> Selection:
        """Return the rows that a change targets."""
        return bulk_runs.targeted(change, self.list_definition, self.read_query(QueryDict(change.query)))

    def _preview(self, request: HttpRequest, change: BulkChange) -> dict[str, Any]:
        selection = self._selection(change)
        eligible = bulk_runs.eligible(change, selection)
        number = eligible.count(bulk_runs.MAX_COUNTED)
        matching = None if number is None else selection.count(bulk_runs.MAX_COUNTED)
        columns = self.get_list_display(request)
        return {
            "number": number,
            "ineligible": None if number is None or matching is None else matching - number,
            "headers": [label_for_field(name, self.model, model_admin=self) for name in columns],
            "rows": [
                (row, [self._cell(row, name) for name in columns])
                for row in eligible.page(size=MAX_PREVIEWED).rows
            ],
        }

    def _cell(self, row: Model, name: Any) -> Any:
        field, _, value = lookup_field(name, row, self)
        return value if field is None else display_for_field(value, field, NOTHING)

    def _form(self, change: BulkChange, data: QueryDict | None = None) -> forms.Form:
        kind = PriorityForm if change.action == BulkAction.PRIORITY else BulkChangeForm
        form = kind(data, initial={"reason": change.reason})
        form.fields["reason"].help_text = self.reason_help
        return form

    def _log_end(self, request: HttpRequest, change: BulkChange) -> None:
        change.refresh_from_db()
        done = f"{change.changed} {change.table} changed"
        self._log(request, f"{change.get_state_display()}: {_description(change)}; {done}")

    def _log(self, request: HttpRequest, text: str) -> None:
        log_action(request, self.opts.db_table.capitalize(), text)

    def _name(self, page: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{page}"

    def _page_of(self, change: BulkChange) -> HttpResponse:
        return HttpResponseRedirect(reverse(f"admin:{self._name('bulk')}", args=[change.pk]))


def _selected_ids(request: HttpRequest) -> list[str] | None:
    """Return the IDs of the selected rows, or None for all that match."""
    if request.POST.get("select_across") == "1":
        return None
    return request.POST.getlist(ACTION_CHECKBOX_NAME)


def run_bulk_changes(may_go_on: Callable[[], bool]) -> int:
    """Go on with every bulk change that is running; return how many ended.

    Args:
        may_go_on: called before each step; False ends the work.
    """
    ended = 0
    pages: Any = {model._meta.db_table: admin.site.get_model_admin(model) for model in (Job, Task, User)}
    for change in BulkChange.objects.filter(state=BulkState.RUNNING).order_by("pk"):
        pages[change.table].go_on(change, may_go_on)
        ended += change.state != BulkState.RUNNING
    return ended


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
