"""What each role may do: in the API, and as Django permissions in the admin."""

from typing import TYPE_CHECKING, Any, Final

from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.db.models import Model
from django.http import HttpRequest
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from orchestrator.auth.throttling import LoginThrottle
from orchestrator.choices import Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.contrib.auth.models import AnonymousUser

    from orchestrator.models import User

#: Django permissions of a moderator. An admin has all of them, a user has none.
MODERATOR_PERMISSIONS: Final = frozenset(
    f"orchestrator.{permission}"
    for permission in (
        "view_job",
        "add_job",
        "change_job",
        "delete_job",
        "view_event",
        "view_task",
        "add_task",
        "change_task",
        "delete_task",
        "view_user",
    )
)


class RoleBackend(ModelBackend):
    """Signs users in by password, and gives them Django's permissions by their role."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Return the active user of this name and password, or None; each takes the same time.

        Raises:
            TooManyAttempts: when somebody guesses. Every page and address that signs in comes by here.
        """
        username = kwargs.get(get_user_model().USERNAME_FIELD) if username is None else username
        if request is None or username is None:
            return super().authenticate(request, username, password, **kwargs)
        brake = LoginThrottle(username, request.META.get("REMOTE_ADDR", ""))
        brake.check()
        user = super().authenticate(request, username, password, **kwargs)
        if user is None:
            brake.record_failure()
        return user

    def get_all_permissions(self, user_obj: "User | AnonymousUser", obj: Model | None = None) -> set[str]:
        """Return the user's permissions as ``app.codename``; none for an inactive user."""
        granted: set[str] = super().get_all_permissions(user_obj, obj)
        if obj is None and user_obj.is_active and getattr(user_obj, "role", None) == Role.MODERATOR:
            return granted | MODERATOR_PERMISSIONS
        return granted

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        """Tell whether the user has any permission in the application."""
        return bool(user_obj.is_active) and any(
            permission.partition(".")[0] == app_label for permission in self.get_all_permissions(user_obj)
        )


class HasRole(BasePermission):
    """Admits signed-in users whose role covers what the view needs for its action.

    The view says so in ``roles``, by action; an action that is not there needs the role user.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Tell whether the user may do this; ``message`` says what it would need."""
        if not request.user.is_authenticated:
            return False
        needed, role = required_role(view), Role(request.user.role)
        self.message = f"This needs the role {needed}; yours is {role}."
        return role.covers(needed)


def required_role(view: APIView) -> Role:
    """Return the least role that may do what the view has been asked for."""
    roles: Mapping[str, Role] = getattr(view, "roles", {})
    return roles.get(getattr(view, "action", None) or "", Role.USER)
