"""Users in the admin: their roles, whether they are active, their passwords."""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UsernameField
from django.contrib.auth.models import Group
from django.forms import ModelForm
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from orchestrator import actions
from orchestrator.admin.base import parse_uuid
from orchestrator.admin.bulk_admin import BulkModelAdmin
from orchestrator.choices import Role
from orchestrator.console.html_formatting import ago, badge
from orchestrator.lists import USERS
from orchestrator.models import User

# The role says what a user may do; groups would be a second home for it.
admin.site.unregister(Group)


class _NormalizesEmail:
    """A form that normalizes email addresses as the API does."""

    cleaned_data: dict[str, Any]

    def clean_email(self) -> str:
        """Return the email address, its domain in lower case."""
        return str(User.objects.normalize_email(self.cleaned_data["email"]))


class NewUserForm(_NormalizesEmail, AdminUserCreationForm):  # type: ignore[type-arg]
    """The form for a new user, with a password or without."""

    class Meta:
        model = User
        fields = ("username", "email", "role")
        field_classes: ClassVar = {"username": UsernameField}


class UserForm(_NormalizesEmail, ModelForm):  # type: ignore[type-arg]
    """The form to change a user; the password has its own page."""

    class Meta:
        model = User
        fields = ("username", "email", "role", "active")
        field_classes: ClassVar = {"username": UsernameField}


@admin.register(User)
class UserAdmin(BulkModelAdmin, DjangoUserAdmin):  # type: ignore[type-arg]
    """The pages of users."""

    form = UserForm
    add_form = NewUserForm
    list_display = ("username", "email", "role_badge", "active", "created", "signed_in")
    list_definition = USERS
    list_filter = ()
    search_filters = ("id", "email", "username")
    search_fields = ("username",)
    search_help_text = "ID, full email address, or start of the username"
    preview = ("username", "role_badge", "active", "created")
    bulk_note = (
        "Admins are not changed: use each admin's own page. "
        "The change is recorded in the admin log under your name."
    )
    filter_horizontal = ()
    readonly_fields = ("password_state", "id", "created_at", "last_login")
    fieldsets = (
        (None, {"fields": ("username", "email", "password_state")}),
        ("Rights", {"fields": ("role", "active")}),
        ("Times", {"fields": ("id", "created_at", "last_login")}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("username", "email", "role")}),
        ("Password", {"classes": ("wide",), "fields": ("usable_password", "password1", "password2")}),
    )

    def search(self, text: str) -> dict[str, Any]:
        """Return the condition for a user's id, an email address, or the start of a username."""
        if user_id := parse_uuid(text):
            return {"id": user_id}
        return {"email": User.objects.normalize_email(text)} if "@" in text else {"username": text}

    @admin.display(description="role")
    def role_badge(self, user: User) -> SafeString:
        """Return the user's role as a coloured badge."""
        return badge(user.role, Role)

    @admin.display(description="created", ordering="created_at")
    def created(self, user: User) -> SafeString | str:
        """Return how long ago the user was created."""
        return ago(user.created_at)

    @admin.display(description="last sign-in")
    def signed_in(self, user: User) -> SafeString | str:
        """Return how long ago the user signed in to the console."""
        return ago(user.last_login)

    @admin.display(description="password")
    def password_state(self, user: User) -> SafeString | str:
        """Return whether the user has a password, with a link to set a new one."""
        page = reverse("admin:auth_user_password_change", args=[user.pk])
        state = "Set." if user.has_usable_password() else "Not set: this user cannot sign in."
        return format_html('{} <a href="{}">Set a new password</a>', state, page)

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Return the groups of fields; only those who may set the password see whether there is one."""
        groups = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return groups
        return ((None, {"fields": ("username", "email")}), *groups[1:])

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's
        """Create or change the user; the last active admin stays one."""
        values = form.cleaned_data
        if change:
            actions.update_user(obj.pk, **{name: values[name] for name in form.changed_data})
        else:
            fields = {name: values[name] for name in NewUserForm.Meta.fields}
            actions.create_user(password=values["password1"] or None, id=obj.pk, **fields)

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        """Delete the user; the last active admin stays."""
        actions.delete_user(obj.pk)
