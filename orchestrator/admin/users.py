"""Users in the admin: their roles, whether they are active, their passwords."""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm, AdminUserCreationForm, UsernameField
from django.contrib.auth.models import Group
from django.forms import ModelForm
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from orchestrator import actions
from orchestrator.admin.base import errors_as_messages, time_column
from orchestrator.admin.bulk_admin import BulkModelAdmin
from orchestrator.choices import Role
from orchestrator.console.html_formatting import badge
from orchestrator.lists import USERS
from orchestrator.models import User

# The role alone decides what a user may do, so there are no groups.
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


class PasswordForm(AdminPasswordChangeForm):  # type: ignore[type-arg]
    """The form to set or remove a user's password."""

    def save(self, commit: bool = True) -> User:  # noqa: FBT001, FBT002 - Django's
        """Save the password, or raise ``LastAdmin`` instead of removing it."""
        if self.cleaned_data["set_usable_password"]:
            user = actions.update_user(self.user.pk, password=self.cleaned_data["password1"])
        else:
            user = actions.remove_password(self.user.pk)
        self.user = user  # Django renews the session of a user who changes their own password
        return user


@admin.register(User)
class UserAdmin(BulkModelAdmin, DjangoUserAdmin):  # type: ignore[type-arg]
    """The pages of users."""

    form = UserForm
    add_form = NewUserForm
    change_password_form = PasswordForm
    list_display = ("username", "email", "role_badge", "active", "created", "signed_in")
    list_definition = USERS
    list_filter = ()
    search_filters = ("id", "email", "username")
    search_help_text = "ID, full email address, or start of the username"
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

    signed_in = time_column("last_login", "last sign-in")

    def search(self, text: str) -> dict[str, str]:
        return {"email": User.objects.normalize_email(text)} if "@" in text else super().search(text)

    @admin.display(description="role")
    def role_badge(self, user: User) -> SafeString:
        return badge(user.role, Role)

    @admin.display(description="password")
    def password_state(self, user: User) -> SafeString | str:
        page = reverse("admin:auth_user_password_change", args=[user.pk])
        state = "Set." if user.has_usable_password() else "Not set: this user cannot sign in."
        return format_html('{} <a href="{}">Set a new password</a>', state, page)

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        # Only those who may set the password see whether there is one.
        groups = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return groups
        return ((None, {"fields": ("username", "email")}), *groups[1:])

    @errors_as_messages
    def user_change_password(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return super().user_change_password(request, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's
        values = form.cleaned_data
        if change:
            actions.update_user(obj.pk, **{name: values[name] for name in form.changed_data})
        else:
            fields = {name: values[name] for name in NewUserForm.Meta.fields}
            actions.create_user(password=values["password1"] or None, id=obj.pk, **fields)

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        actions.delete_user(obj.pk)
