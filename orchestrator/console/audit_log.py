"""The admin's log, of what is done to something that is no row, or to many at once."""

from typing import TYPE_CHECKING, Final, cast

from django.contrib.admin.models import CHANGE, LogEntry
from django.http import HttpRequest

if TYPE_CHECKING:
    from orchestrator.models import User

_LONGEST: Final = 200


def note(request: HttpRequest, about: str, text: str) -> None:
    """Write down what the request's user did.

    Args:
        request: whose user did it.
        about: what it was done to.
        text: what was done.
    """
    LogEntry.objects.create(
        user=cast("User", request.user),
        object_repr=about[:_LONGEST],
        action_flag=CHANGE,
        change_message=text,
    )
