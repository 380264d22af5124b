"""Which answers of the API may be cached, what each depends on, and for how long it may be kept.

An answer is named by its whole address, because its links repeat it; first pages only.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest

from orchestrator.addresses import absolute
from orchestrator.cache import families
from orchestrator.cache.questions import Question
from orchestrator.choices import JobStatus

#: Makes the question that a request asks, or None where its answer is not to be cached.
#: Arguments: the request; the id in its address, None for a list; the id of the user who asks.
Asking = Callable[[HttpRequest, UUID | None, UUID], Question | None]


def _list(group: str, families_of: Callable[[Mapping[str, str]], tuple[str, ...]]) -> Asking:
    """Return the asking of a list whose families follow from its filters."""

    def ask(request: HttpRequest, _: UUID | None, __: UUID) -> Question | None:
        if request.GET.get("cursor"):
            return None
        return _question(group, request, families_of(request.GET))

    return ask


def _detail(group: str, families_of: Callable[[UUID], tuple[str, ...]]) -> Asking:
    """Return the asking of what belongs to one row."""

    def ask(request: HttpRequest, row_id: UUID | None, _: UUID) -> Question | None:
        if row_id is None or request.GET.get("cursor"):
            return None
        return _question(group, request, families_of(row_id))

    return ask


def _question(group: str, request: HttpRequest, touched_by: tuple[str, ...]) -> Question:
    return Question(group, absolute(request), touched_by, _ttl(group))


def _ttl(group: str) -> int:
    """Return for how many seconds the answers of a group are kept."""
    return int(getattr(settings, families.TTL_SETTINGS[group]))


def _families_of_jobs(filters: Mapping[str, str]) -> tuple[str, ...]:
    status = filters.get("status")
    return (families.jobs_in(status) if status in JobStatus.values else families.JOBS,)


def _families_of_events(filters: Mapping[str, str]) -> tuple[str, ...]:
    event_type = filters.get("type", "").strip()  # as the filter does
    return (
        (families.events_of_type(event_type), families.EVENTS_IN_BULK) if event_type else (families.EVENTS,)
    )


JOB_LIST: Final = _list("jobs", _families_of_jobs)
JOB_COUNTS: Final = _list("job_counts", lambda _: (families.JOB_COUNTS,))
JOB_DETAIL: Final = _detail("job", lambda pk: (families.job(pk), families.JOBS_IN_BULK))
JOB_EVENTS: Final = _detail(
    "events",
    lambda pk: (
        families.events_of_job(pk),
        families.EVENTS_IN_BULK,
        families.job(pk),
        families.JOBS_IN_BULK,
    ),
)
EVENT_LIST: Final = _list("events", _families_of_events)
EVENT_DETAIL: Final = _detail("event", lambda _: (families.EVENTS,))
TASK_LIST: Final = _list("tasks", lambda _: (families.TASKS,))
TASK_DETAIL: Final = _detail("task", lambda pk: (families.task(pk), families.TASKS_IN_BULK))
USER_LIST: Final = _list("users", lambda _: (families.USERS,))
USER_DETAIL: Final = _detail("user", lambda pk: (families.user(pk), families.USERS_IN_BULK))


def recent_events(request: HttpRequest, _: UUID | None, __: UUID) -> Question:
    """Return the question what happened lately."""
    return Question(
        "events",
        absolute(request),
        (families.EVENTS,),
        _ttl("events"),
        follows_clock=True,
    )


def own_account(request: HttpRequest, _: UUID | None, user_id: UUID) -> Question:
    """Return the question that a user asks about themselves: one address, another answer for each."""
    recipe = f"{absolute(request)} of {user_id.hex}"
    touched_by = (families.user(user_id), families.USERS_IN_BULK)
    return Question("user", recipe, touched_by, _ttl("user"), personal=True)


@lru_cache(maxsize=1024)
def account(user_id: UUID) -> Question:
    """Return the question who a user is and what signs them in."""
    return Question(
        "user_auth",
        f"account {user_id.hex}",
        (families.user(user_id), families.USERS_IN_BULK),
        _ttl("user_auth"),
    )
