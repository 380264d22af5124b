"""Tasks in the admin, with optimistic locking: no operator overwrites a version they have not seen."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from orchestrator import actions
from orchestrator.admin.base import time_column
from orchestrator.admin.bulk_admin import BulkModelAdmin
from orchestrator.exceptions import EditConflict
from orchestrator.lists import TASKS
from orchestrator.models import Task


class TaskForm(forms.ModelForm):  # type: ignore[type-arg]
    """A task's fields, and the version that the form was rendered from."""

    seen_version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = Task
        fields = ("title", "description")
        widgets: ClassVar = {"title": forms.TextInput(attrs={"class": "vLargeTextField"})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["seen_version"].initial = self.instance.version

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        try:
            self.require_seen(self.instance)
        except EditConflict as error:
            raise forms.ValidationError(str(error), code="edited_meanwhile") from error
        return values

    def require_seen(self, task: Task) -> None:
        """Require that the task still has the version that the operator saw.

        Raises:
            EditConflict: if it has another version.
        """
        seen = self.cleaned_data.get("seen_version")
        if not task._state.adding and seen != task.version:  # noqa: SLF001 - the documented attribute
            raise EditConflict(seen, task.version)


@admin.register(Task)
class TaskAdmin(BulkModelAdmin):
    """The pages of tasks."""

    form = TaskForm
    list_display = ("title", "version", "created", "updated")
    list_definition = TASKS
    search_filters = ("id", "title_prefix")
    search_help_text = "ID, or start of the title"
    readonly_fields = ("version", "id", "created_at", "updated_at")
    fieldsets = (
        (None, {"fields": ("title", "description", "seen_version")}),
        ("History", {"fields": ("version", "id", "created_at", "updated_at")}),
    )

    updated = time_column("updated_at", "last changed")

    def get_fieldsets(self, request: HttpRequest, obj: Task | None = None) -> Any:
        return self.fieldsets if obj else self.fieldsets[:1]

    def save_model(self, request: HttpRequest, obj: Task, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's
        fields = {name: form.cleaned_data[name] for name in TaskForm.Meta.fields}
        if not change:
            actions.create_task(id=obj.pk, **fields)
        elif form.has_changed():
            actions.update_task(obj.pk, precondition=form.require_seen, **fields)

    def delete_model(self, request: HttpRequest, obj: Task) -> None:
        actions.delete_task(obj.pk)
