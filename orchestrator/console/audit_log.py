"""Entries in the admin's log about actions that concern many rows, or none."""

from typing import TYPE_CHECKING, Final, cast

from django.contrib.admin.models import CHANGE, LogEntry
from django.http import HttpRequest

if TYPE_CHECKING:
    from orchestrator.models import User

_MAX_SUBJECT_LENGTH: Final = 200


def log_action(request: HttpRequest, subject: str, text: str) -> None:
    """Write an entry to the admin's log: what the request's user did (``text``) to what (``subject``)."""
    LogEntry.objects.create(
        user=cast("User", request.user),
        object_repr=subject[:_MAX_SUBJECT_LENGTH],
        action_flag=CHANGE,
        change_message=text,
    )
