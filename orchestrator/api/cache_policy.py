"""Which responses of the API may be cached, what each depends on, and for how long.

A response is cached under its whole URL, because its links repeat the URL. Only first pages are cached.
"""

from collections.abc import Callable, Mapping
from typing import Final
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest

from orchestrator.cache import tags
from orchestrator.cache.response_key import ResponseKey
from orchestrator.cache.spec import CacheSpec
from orchestrator.choices import JobStatus

#: Builds the cache spec of the response to a request, or returns None if it must not be cached.
#: Arguments: the request; the id in its URL, None for a list; the id of the user who sends it.
SpecBuilder = Callable[[HttpRequest, UUID | None, UUID], CacheSpec | None]


def _list(group: str, tags_of: Callable[[Mapping[str, str]], tuple[str, ...]]) -> SpecBuilder:
    """Return the spec builder of a list whose tags follow from its filters."""

    def build(request: HttpRequest, _: UUID | None, __: UUID) -> CacheSpec | None:
        if request.GET.get("cursor"):
            return None
        return _question(group, request, tags_of(request.GET))

    return build


def _detail(group: str, tags_of: Callable[[UUID], tuple[str, ...]]) -> SpecBuilder:
    """Return the spec builder of a response that belongs to one row."""

    def build(request: HttpRequest, row_id: UUID | None, _: UUID) -> CacheSpec | None:
        if row_id is None or request.GET.get("cursor"):
            return None
        return _question(group, request, tags_of(row_id))

    return build


def _question(group: str, request: HttpRequest, touched_by: tuple[str, ...]) -> CacheSpec:
    return CacheSpec(group, _key(request), touched_by, _ttl(group))


def _ttl(group: str) -> int:
    """Return for how many seconds the responses of a group are kept."""
    return int(getattr(settings, tags.TTL_SETTINGS[group]))


#: With these filters the index that serves a list does not serve its status or type: the page's bounded scan
#: reads rows of other ones, and where it stops depends on them.
_SCANNED_WITH: Final = (
    "worker",
    "started_after",
    "started_before",
    "completed_after",
    "completed_before",
    "job",
)


def _tags_of_jobs(filters: Mapping[str, str]) -> tuple[str, ...]:
    status = filters.get("status")
    is_narrow = status in JobStatus.values and not any(map(filters.get, _SCANNED_WITH))
    return (tags.jobs_with_status(str(status)) if is_narrow else tags.JOBS,)


def _tags_of_events(filters: Mapping[str, str]) -> tuple[str, ...]:
    event_type = filters.get("type", "").strip()  # as the filter does
    is_narrow = event_type and not any(map(filters.get, _SCANNED_WITH))
    return (tags.events_of_type(event_type), tags.EVENTS_IN_BULK) if is_narrow else (tags.EVENTS,)


JOB_LIST: Final = _list("jobs", _tags_of_jobs)
JOB_COUNTS: Final = _list("job_counts", lambda _: (tags.JOB_COUNTS,))
JOB_DETAIL: Final = _detail("job", lambda pk: (tags.job(pk), tags.JOBS_IN_BULK))
JOB_EVENTS: Final = _detail(
    "events",
    lambda pk: (
        tags.events_of_job(pk),
        tags.EVENTS_IN_BULK,
        tags.job(pk),
        tags.JOBS_IN_BULK,
    ),
)
EVENT_LIST: Final = _list("events", _tags_of_events)
EVENT_DETAIL: Final = _detail("event", lambda _: (tags.EVENTS,))
TASK_LIST: Final = _list("tasks", lambda _: (tags.TASKS,))
TASK_DETAIL: Final = _detail("task", lambda pk: (tags.task(pk), tags.TASKS_IN_BULK))
USER_LIST: Final = _list("users", lambda _: (tags.USERS,))
USER_DETAIL: Final = _detail("user", lambda pk: (tags.user(pk), tags.USERS_IN_BULK))


def recent_events(request: HttpRequest, _: UUID | None, __: UUID) -> CacheSpec:
    """Return the cache spec of the events of the last hour."""
    return CacheSpec(
        "events",
        _key(request),
        (tags.EVENTS,),
        _ttl("events"),
        time_dependent=True,
    )


def own_user(request: HttpRequest, _: UUID | None, user_id: UUID) -> CacheSpec:
    """Return the cache spec of the user's own data: one URL, another response for each user."""
    touched_by = (tags.user(user_id), tags.USERS_IN_BULK)
    return CacheSpec("user", _key(request, user_id), touched_by, _ttl("user"), per_user=True)


def _key(request: HttpRequest, user_id: UUID | None = None) -> str:
    return ResponseKey(request.build_absolute_uri(), user_id).encode()
