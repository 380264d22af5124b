"""What each role may do: in the API, and as Django permissions in the admin."""

from typing import Any, Final

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db.models import Model

from orchestrator.choices import Role

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
    """Signs users in by password, and derives Django's permissions from the role, beside those granted one by one."""

    def get_all_permissions(
        self, user_obj: AbstractBaseUser | AnonymousUser, obj: Model | None = None
    ) -> set[str]:
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
