"""Jobs: listed, opened, steered."""

from datetime import timedelta
from typing import Any, ClassVar, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from monitoring.formatting import human_duration
from orchestrator import actions
from orchestrator.admin.base import acting_username, parse_uuid
from orchestrator.admin.bulk_admin import BulkModelAdmin
from orchestrator.admin.form_fields import JSONObjectField
from orchestrator.admin.formatting import NOTHING, ago, badge, readable_json, to_the_second
from orchestrator.choices import LOCKED_STATUSES, JobStatus
from orchestrator.exceptions import DomainError
from orchestrator.limits import MAX_INT32, MAX_REASON_LENGTH, MIN_INT32
from orchestrator.lists import JOBS
from orchestrator.models import Event, Job

#: Events of a job's history that its page shows.
HISTORY_SHOWN: Final = 100

_SAVE_BUTTONS: Final = ("show_save", "show_save_and_continue", "show_save_and_add_another")

#: What an operator does who takes a job to a status.
VERBS: Final = {
    JobStatus.PENDING: "Queue again",
    JobStatus.RUNNING: "Mark as running",
    JobStatus.COMPLETED: "Mark as completed",
    JobStatus.FAILED: "Mark as failed",
    JobStatus.CANCELLED: "Cancel",
}


#: What a settled job is to do: shown, no more.
SETTLED_FIELDS: Final = ("name", "description", "priority", "max_attempts", "details")


class JobForm(forms.ModelForm):  # type: ignore[type-arg]
    """What a job is to do; where it stands changes by steering."""

    priority = forms.IntegerField(
        min_value=MIN_INT32, max_value=MAX_INT32, initial=0, help_text="Higher goes first."
    )
    metadata = JSONObjectField(required=False, initial=dict)

    class Meta:
        model = Job
        fields = ("name", "description", "priority", "max_attempts", "metadata")
        widgets: ClassVar = {
            "name": forms.TextInput(attrs={"class": "vLargeTextField"}),
            "description": forms.Textarea(attrs={"class": "vLargeTextField", "rows": 3}),
        }


class SteeringForm(forms.Form):
    """A change of status, and why."""

    status = forms.ChoiceField(choices=JobStatus.choices)
    reason = forms.CharField(max_length=MAX_REASON_LENGTH, required=False)


@admin.register(Job)
class JobAdmin(BulkModelAdmin):
    """The pages of jobs."""

    form = JobForm
    list_display = ("name", "state", "priority", "worker", "attempts_made", "created", "took")
    list_definition = JOBS
    search_filters = ("id", "name")
    preview = ("name", "state", "priority", "worker", "created")
    bulk_note = "Every change is in the job's history, under your name."
    reason_help = "Optional; goes into the history of each job."
    search_fields = ("name",)
    search_help_text = "An id, or how the name begins"
    fieldsets = (
        (None, {"fields": ("name", "description", "priority", "max_attempts", "metadata")}),
        (
            "Progress",
            {
                "fields": (
                    "state",
                    "queue",
                    "progress_percent",
                    "readable_result",
                    "attempts_made",
                    "worker",
                    "lease",
                    "took",
                )
            },
        ),
        ("Times", {"fields": ("id", "submitted", "available", "started", "ended", "changed")}),
    )
    readonly_fields = (
        "state",
        "queue",
        "progress_percent",
        "readable_result",
        "attempts_made",
        "worker",
        "lease",
        "took",
        "id",
        "submitted",
        "available",
        "started",
        "ended",
        "changed",
    )

    def get_urls(self) -> list[Any]:
        """Return the pages' addresses, with the one that steers a job."""
        steer = self.admin_site.admin_view(require_POST(self.steer_view))
        return [path("<path:object_id>/status/", steer, name="orchestrator_job_status"), *super().get_urls()]

    def get_fieldsets(self, request: HttpRequest, obj: Job | None = None) -> Any:
        """Return all groups of fields, or the first for a job that is yet to be made."""
        if obj and obj.status in LOCKED_STATUSES:
            return ((None, {"fields": SETTLED_FIELDS}), *self.fieldsets[1:])
        return self.fieldsets if obj else self.fieldsets[:1]

    def get_readonly_fields(self, request: HttpRequest, obj: Job | None = None) -> Any:
        """Return what cannot be edited now: everything while a worker is at it, and once it is completed."""
        if obj and obj.status in LOCKED_STATUSES:
            return (*SETTLED_FIELDS, *JobForm.Meta.fields, *self.readonly_fields)
        return self.readonly_fields

    def search(self, text: str) -> dict[str, Any]:
        """Return the condition for the job with an id, or for jobs whose name begins with a text."""
        job_id = parse_uuid(text)
        return {"id": job_id} if job_id else {"name": text}

    @admin.display(description="status")
    def state(self, job: Job) -> SafeString:
        """Return the job's status as a coloured word."""
        return badge(job.status, JobStatus)

    @admin.display(description="progress")
    def progress_percent(self, job: Job) -> str:
        """Return the progress that the worker reported."""
        return NOTHING if job.progress is None else f"{job.progress} %"

    @admin.display(description="result")
    def readable_result(self, job: Job) -> SafeString | str:
        """Return the result, a line for each member."""
        return NOTHING if job.result is None else readable_json(job.result)

    @admin.display(description="attempts")
    def attempts_made(self, job: Job) -> str:
        """Return how many leases ran out, of how many may."""
        return f"{job.attempts} of {job.max_attempts}"

    @admin.display(description="created", ordering="created_at")
    def created(self, job: Job) -> SafeString | str:
        """Return how long ago the job was submitted."""
        return ago(job.created_at)

    @admin.display(description="took")
    def took(self, job: Job) -> str:
        """Return for how long the job has run."""
        if job.started_at is None:
            return NOTHING
        return human_duration(((job.completed_at or timezone.now()) - job.started_at).total_seconds())

    @admin.display(description="metadata")
    def details(self, job: Job) -> SafeString:
        """Return the metadata, a line for each member."""
        return readable_json(job.metadata)

    @admin.display(description="lease")
    def lease(self, job: Job) -> SafeString | str:
        """Return until when the worker has the job."""
        if job.lease_expires_at is None:
            return NOTHING
        left = job.lease_expires_at - timezone.now()
        words = f"{human_duration(left.total_seconds())} left" if left > timedelta(0) else "ran out"
        return f"until {job.lease_expires_at:%Y-%m-%d %H:%M:%S} UTC ({words})"

    @admin.display(description="created")
    def submitted(self, job: Job) -> SafeString | str:
        """Return when the job was submitted."""
        return to_the_second(job.created_at)

    @admin.display(description="available")
    def available(self, job: Job) -> SafeString | str:
        """Return from when on a worker may have it."""
        return to_the_second(job.available_at)

    @admin.display(description="started")
    def started(self, job: Job) -> SafeString | str:
        """Return when a worker started it."""
        return to_the_second(job.started_at)

    @admin.display(description="ended")
    def ended(self, job: Job) -> SafeString | str:
        """Return when it ended."""
        return to_the_second(job.completed_at)

    @admin.display(description="last changed")
    def changed(self, job: Job) -> SafeString | str:
        """Return when the row was changed."""
        return to_the_second(job.updated_at)

    def save_model(self, request: HttpRequest, obj: Job, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's
        """Create or change the job, with its event."""
        values = form.cleaned_data
        if change:
            fields = {name: values[name] for name in form.changed_data}
            actions.update_job(obj.pk, by=acting_username(request), **fields)
        else:
            actions.create_job(by=acting_username(request), id=obj.pk, **values)

    def delete_model(self, request: HttpRequest, obj: Job) -> None:
        """Delete the job, with an event that says so."""
        actions.delete_job(obj.pk, by=acting_username(request))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a job with its history and the changes that its status allows, or save it."""
        job = self.get_object(request, object_id)
        context = _steering(job) if job else {}
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def steer_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take a job to the status asked for, and return to its page."""
        job = self.get_object(request, object_id)
        if not self.has_change_permission(request, job):
            raise PermissionDenied
        if job is None:
            raise Http404
        form = SteeringForm(request.POST)
        if form.is_valid():
            self._steer(request, job, JobStatus(form.cleaned_data["status"]), form.cleaned_data["reason"])
        else:
            for error in (error for errors in form.errors.values() for error in errors):
                self.message_user(request, str(error), messages.ERROR)
        return HttpResponseRedirect(reverse("admin:orchestrator_job_change", args=[job.pk]))

    def _steer(self, request: HttpRequest, job: Job, status: JobStatus, reason: str) -> None:
        try:
            actions.change_status(job.pk, status, by=acting_username(request), reason=reason or None)
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
            return
        because = f": {reason}" if reason else ""
        self.log_change(request, job, f"{JobStatus(job.status).label} → {status.label}{because}")
        self.message_user(request, f"“{job}” is {status.label.lower()}.", messages.SUCCESS)


def _steering(job: Job) -> dict[str, Any]:
    """Return what a job's page shows beside its fields."""
    return {
        "history": Event.objects.of_job(job.pk)[:HISTORY_SHOWN],
        "changes": [(status.value, VERBS[status]) for status in job.allowed_statuses],
        "reason_longest": MAX_REASON_LENGTH,
        **(dict.fromkeys(_SAVE_BUTTONS, False) if job.status in LOCKED_STATUSES else {}),
    }
