"""Jobs in the admin: lists, forms, and changes of status."""

from typing import Any, ClassVar, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST, require_safe

from monitoring.formatting import human_duration, human_timestamp
from orchestrator import actions
from orchestrator.admin.base import acting_username, time_column
from orchestrator.admin.bulk_admin import BulkModelAdmin
from orchestrator.admin.form_fields import JSONObjectField
from orchestrator.choices import LOCKED_STATUSES, JobStatus
from orchestrator.console.attempts import attempts_of
from orchestrator.console.html_formatting import (
    NOTHING,
    badge,
    progress_bar,
    readable_json,
    time_left,
    timestamp_and_age,
)
from orchestrator.exceptions import DomainError
from orchestrator.limits import MAX_INT32, MAX_REASON_LENGTH, MIN_INT32
from orchestrator.lists import JOBS
from orchestrator.models import Event, Job

#: Events of a job's history that its page shows.
HISTORY_SHOWN: Final = 100

_SAVE_BUTTONS: Final = ("show_save", "show_save_and_continue", "show_save_and_add_another")

#: Labels of the buttons that change a job's status.
STATUS_BUTTONS: Final = {
    JobStatus.PENDING: "Requeue",
    JobStatus.RUNNING: "Mark as running",
    JobStatus.COMPLETED: "Mark as completed",
    JobStatus.FAILED: "Mark as failed",
    JobStatus.CANCELLED: "Cancel",
}

#: The fields of the form for a new job. Once a job can no longer be edited, its page shows their values.
FORM_FIELDS: Final = ("name", "description", "priority", "max_attempts", "metadata")
LOCKED_FIELDS: Final = (*FORM_FIELDS[:-1], "details")  # the metadata as readable JSON
PROGRESS_FIELDS: Final = (
    "state",
    "queue",
    "progress_percent",
    "readable_result",
    "attempts_made",
    "worker",
    "lease",
    "took",
)
TIME_FIELDS: Final = ("id", "submitted", "available", "started", "ended", "changed")


class JobForm(forms.ModelForm):  # type: ignore[type-arg]
    """A job's editable fields; its status has a form of its own."""

    priority = forms.IntegerField(
        min_value=MIN_INT32, max_value=MAX_INT32, initial=0, help_text="Higher goes first."
    )
    metadata = JSONObjectField(required=False, initial=dict)

    class Meta:
        model = Job
        fields = FORM_FIELDS
        widgets: ClassVar = {
            "name": forms.TextInput(attrs={"class": "vLargeTextField"}),
            "description": forms.Textarea(attrs={"class": "vLargeTextField", "rows": 3}),
        }


class StatusForm(forms.Form):
    """A new status, and the reason."""

    status = forms.ChoiceField(choices=JobStatus.choices)
    reason = forms.CharField(max_length=MAX_REASON_LENGTH, required=False)


@admin.register(Job)
class JobAdmin(BulkModelAdmin):
    """The pages of jobs."""

    form = JobForm
    list_display = ("name", "state", "priority", "worker", "attempts_made", "created", "took")
    list_definition = JOBS
    search_filters = ("id", "name")
    bulk_note = "Every change is recorded in the job's history under your name."
    reason_help = "Optional. It is recorded in each job's history."
    search_help_text = "ID, or start of the name"
    fieldsets = (
        (None, {"fields": FORM_FIELDS}),
        ("Progress", {"fields": PROGRESS_FIELDS}),
        ("Times", {"fields": TIME_FIELDS}),
    )
    readonly_fields = (*PROGRESS_FIELDS, *TIME_FIELDS)

    submitted = time_column("created_at", "created", timestamp_and_age)
    available = time_column("available_at", "available", timestamp_and_age)
    started = time_column("started_at", "started", timestamp_and_age)
    ended = time_column("completed_at", "ended", timestamp_and_age)
    changed = time_column("updated_at", "last changed", timestamp_and_age)

    def get_urls(self) -> list[Any]:
        status = self.admin_site.admin_view(require_POST(self.status_view))
        events = self.admin_site.admin_view(require_safe(self.events_view))
        return [
            path("<path:object_id>/status/", status, name="orchestrator_job_status"),
            path("<path:object_id>/events/", events, name="orchestrator_job_events"),
            *super().get_urls(),
        ]

    def get_fieldsets(self, request: HttpRequest, obj: Job | None = None) -> Any:
        if obj and obj.status in LOCKED_STATUSES:
            return ((None, {"fields": LOCKED_FIELDS}), *self.fieldsets[1:])
        return self.fieldsets if obj else self.fieldsets[:1]

    def get_readonly_fields(self, request: HttpRequest, obj: Job | None = None) -> Any:
        if obj and obj.status in LOCKED_STATUSES:
            return (*FORM_FIELDS, *LOCKED_FIELDS, *self.readonly_fields)
        return self.readonly_fields

    @admin.display(description="status")
    def state(self, job: Job) -> SafeString:
        return badge(job.status, JobStatus)

    @admin.display(description="progress")
    def progress_percent(self, job: Job) -> SafeString | str:
        if job.progress is None:
            return NOTHING
        return (
            progress_bar(job.progress) if job.completed_at is None else f"{job.progress} %, as last reported"
        )

    @admin.display(description="result")
    def readable_result(self, job: Job) -> SafeString | str:
        return NOTHING if job.result is None else readable_json(job.result)

    @admin.display(description="leases lost")
    def attempts_made(self, job: Job) -> str:
        return f"{job.attempts} of {job.max_attempts}"

    @admin.display(description="duration")
    def took(self, job: Job) -> str:
        if job.started_at is None:
            return NOTHING
        return human_duration(((job.completed_at or timezone.now()) - job.started_at).total_seconds())

    @admin.display(description="metadata")
    def details(self, job: Job) -> SafeString:
        return readable_json(job.metadata)

    @admin.display(description="lease")
    def lease(self, job: Job) -> str:
        if job.lease_expires_at is None:
            return NOTHING
        expires_at = job.lease_expires_at
        return f"until {human_timestamp(expires_at)} ({time_left(expires_at)})"

    def save_model(self, request: HttpRequest, obj: Job, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's
        values = form.cleaned_data
        if change:
            actions.update_job(obj.pk, by=acting_username(request), **values)
        else:
            actions.create_job(by=acting_username(request), id=obj.pk, **values)

    def delete_model(self, request: HttpRequest, obj: Job) -> None:
        actions.delete_job(obj.pk, by=acting_username(request))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if job := context["original"]:
            context |= _status_context(job)
        return super().render_change_form(request, context, *args, **kwargs)

    def events_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        job = self.get_object(request, object_id)
        if not self.has_view_permission(request, job):
            raise PermissionDenied
        if job is None:
            raise Http404
        return render(request, "console/job_history.html", _status_context(job))

    def status_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        job = self.get_object(request, object_id)
        if not self.has_change_permission(request, job):
            raise PermissionDenied
        if job is None:
            raise Http404
        form = StatusForm(request.POST)
        if form.is_valid():
            self._change_status(
                request, job, JobStatus(form.cleaned_data["status"]), form.cleaned_data["reason"]
            )
        else:
            for error in (error for errors in form.errors.values() for error in errors):
                self.message_user(request, str(error), messages.ERROR)
        return HttpResponseRedirect(reverse("admin:orchestrator_job_change", args=[job.pk]))

    def _change_status(self, request: HttpRequest, job: Job, status: JobStatus, reason: str) -> None:
        try:
            actions.change_status(job.pk, status, by=acting_username(request), reason=reason or None)
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
            return
        because = f": {reason}" if reason else ""
        self.log_change(request, job, f"{JobStatus(job.status).label} → {status.label}{because}")
        self.message_user(request, f"“{job}” is now {status.label.lower()}.", messages.SUCCESS)


def _status_context(job: Job) -> dict[str, Any]:
    """Return the template context of a job's page beside its fields."""
    return {
        "state": badge(job.status, JobStatus),
        "attempts": attempts_of(job.pk),
        "history": Event.objects.of_job(job.pk)[:HISTORY_SHOWN],
        "changes": [(status.value, STATUS_BUTTONS[status]) for status in job.allowed_statuses],
        "max_reason_length": MAX_REASON_LENGTH,
        **(dict.fromkeys(_SAVE_BUTTONS, False) if job.status in LOCKED_STATUSES else {}),
    }
