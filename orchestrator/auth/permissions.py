"""What each role may do: in the API, and as Django permissions in the admin console."""

from typing import TYPE_CHECKING, Any, Final

from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.db.models import Model
from django.http import HttpRequest
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from orchestrator.auth import throttling
from orchestrator.auth.client_ip import client_network
from orchestrator.choices import Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.contrib.auth.models import AnonymousUser
    from rest_framework.views import APIView

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
    """Authenticates users by password and grants them Django's permissions by their role."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Return the active user with this username and password, or None; both take the same time.

        Every login, of the API and of the pages, runs through here.

        Raises:
            TooManyAttempts: after too many failed logins.
        """
        username = kwargs.get(get_user_model().USERNAME_FIELD) if username is None else username
        if request is None or username is None:
            return super().authenticate(request, username, password, **kwargs)
        counted = throttling.count(username, client_network(request.META))
        user = super().authenticate(request, username, password, **kwargs)
        if user is not None:
            throttling.take_back(counted)
        return user

    def get_all_permissions(self, user_obj: "User | AnonymousUser", obj: Model | None = None) -> set[str]:
        """Return the user's permissions as ``app.codename``; none for an inactive user."""
        granted: set[str] = super().get_all_permissions(user_obj, obj)
        if obj is None and user_obj.is_active and getattr(user_obj, "role", None) == Role.MODERATOR:
            return granted | MODERATOR_PERMISSIONS
        return granted


class HasRole(BasePermission):
    """Allows signed-in users whose role covers the role that the view's action requires."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Return whether the user may run the view's action; ``message`` names the required role."""
        if not request.user.is_authenticated:
            return False
        required, role = required_role(view, getattr(view, "action", None)), Role(request.user.role)
        self.message = f"This requires the role {required}; your role is {role}."
        return role.covers(required)


def needs_current_user(request: Request) -> bool:
    """Return whether a user must come from the database, because the request may do more than read as a user.

    Whoever can write to the cache server could otherwise put back the entry of a user who had more rights.
    """
    view = (request.parser_context or {}).get("view")
    return (
        request.method not in SAFE_METHODS
        or not hasattr(view, "roles")
        or required_role(view, getattr(view, "action", None)) != Role.USER
    )


def required_role(view: Any, action: str | None) -> Role:
    """Return the lowest role that may run an action; ``user`` where the view's ``roles`` do not name it."""
    roles: Mapping[str, Role] = getattr(view, "roles", {})
    return roles.get(action or "", Role.USER)
