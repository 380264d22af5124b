"""Which responses of the API may be cached, what each depends on, and for how long.

A response is cached under its whole URL, because its links repeat the URL. Only first pages are cached.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest

from orchestrator.cache import tags
from orchestrator.cache.response_key import ResponseKey
from orchestrator.cache.spec import CacheSpec
from orchestrator.listing import InvalidQuery, ListDefinition, access_path
from orchestrator.lists import EVENTS, JOBS, TASKS, USERS

#: Builds the cache spec of the response to a request, or returns None if it must not be cached.
#: Arguments: the request; the id in its URL, None for a list; the id of the user who sends it.
SpecBuilder = Callable[[HttpRequest, UUID | None, UUID], CacheSpec | None]


def _list(
    definition: ListDefinition,
    group: str,
    all_tags: tuple[str, ...],
    narrow_by: str = "",
    narrow_tags: Callable[[str], tuple[str, ...]] = lambda _: (),
) -> SpecBuilder:
    """Return the spec builder of a list.

    A page that reads only rows with one value of the filter ``narrow_by`` has the tags that ``narrow_tags``
    returns for this value; other pages may depend on any row and have ``all_tags``.
    """

    def build(request: HttpRequest, _: UUID | None, __: UUID) -> CacheSpec | None:
        if request.GET.get("cursor"):
            return None
        value = _served_value(definition, request.GET, narrow_by)
        return _spec(group, request, all_tags if value is None else narrow_tags(value))

    return build


def _served_value(definition: ListDefinition, parameters: Mapping[str, str], name: str) -> str | None:
    """Return a filter's value if the page's index serves the filter, else None.

    Without the index, a bounded scan reads rows with other values, and where it stops depends on them.
    """
    if not parameters.get(name):
        return None
    try:
        conditions = definition.read(parameters, definition.api_filters)
        order = definition.order(parameters.get("ordering", ""), conditions, definition.api_orders)
    except InvalidQuery:  # its response is a 400, which is not cached
        return None
    return conditions.get(name) if name in access_path(definition, conditions, order).served else None


def _detail(group: str, tags_of: Callable[[UUID], tuple[str, ...]]) -> SpecBuilder:
    """Return the spec builder of a response that belongs to one row."""

    def build(request: HttpRequest, row_id: UUID | None, _: UUID) -> CacheSpec | None:
        if row_id is None or request.GET.get("cursor"):
            return None
        return _spec(group, request, tags_of(row_id))

    return build


def _spec(
    group: str, request: HttpRequest, touched_by: tuple[str, ...], user_id: UUID | None = None
) -> CacheSpec:
    key = ResponseKey(request.build_absolute_uri(), user_id).encode()
    ttl = int(getattr(settings, tags.TTL_SETTINGS[group]))
    return CacheSpec(group, key, touched_by, ttl, per_user=user_id is not None)


JOB_LIST: Final = _list(JOBS, "jobs", (tags.JOBS,), "status", lambda status: (tags.jobs_with_status(status),))
JOB_COUNTS: Final = _list(JOBS, "job_counts", (tags.JOB_COUNTS,))
JOB_DETAIL: Final = _detail("job", lambda pk: (tags.job(pk), tags.JOBS_IN_BULK))
JOB_EVENTS: Final = _detail(
    "events", lambda pk: (tags.events_of_job(pk), tags.EVENTS_IN_BULK, tags.job(pk), tags.JOBS_IN_BULK)
)
EVENT_LIST: Final = _list(
    EVENTS, "events", (tags.EVENTS,), "type", lambda kind: (tags.events_of_type(kind), tags.EVENTS_IN_BULK)
)
EVENT_DETAIL: Final = _detail("event", lambda _: (tags.EVENTS,))
TASK_LIST: Final = _list(TASKS, "tasks", (tags.TASKS,))
TASK_DETAIL: Final = _detail("task", lambda pk: (tags.task(pk), tags.TASKS_IN_BULK))
USER_LIST: Final = _list(USERS, "users", (tags.USERS,))
USER_DETAIL: Final = _detail("user", lambda pk: (tags.user(pk), tags.USERS_IN_BULK))


def recent_events(request: HttpRequest, _: UUID | None, __: UUID) -> CacheSpec:
    """Return the cache spec of the events of the last hour."""
    return replace(_spec("events", request, (tags.EVENTS,)), time_dependent=True)


def own_user(request: HttpRequest, _: UUID | None, user_id: UUID) -> CacheSpec:
    """Return the cache spec of the user's own data: one URL, another response for each user."""
    return _spec("user", request, (tags.user(user_id), tags.USERS_IN_BULK), user_id)
