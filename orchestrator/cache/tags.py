"""Cache tags: what a cached response depends on, and which tags a changed row invalidates.

The signal receivers use ``TABLES``. The database's triggers (``orchestrator/migrations/sql/0004_cache.*``)
append the same tags for the same changes, from the old and the new row; ``tests/cache/test_tags.py`` fails if
the two disagree.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from orchestrator.choices import JobStatus

JOBS: Final = "jobs"
JOB_COUNTS: Final = "jobs:counts"
EVENTS: Final = "events"
TASKS: Final = "tasks"
USERS: Final = "users"

#: Bulk tags. A change of many rows invalidates its table's bulk tag instead of a tag per row, so the response
#: of a single row depends on both.
JOBS_IN_BULK: Final = "jobs:bulk"
EVENTS_IN_BULK: Final = "events:bulk"
TASKS_IN_BULK: Final = "tasks:bulk"
USERS_IN_BULK: Final = "users:bulk"

# Prefixes of the tags of one row, or of a few rows with a common value.
_JOB: Final = "job:"
_JOBS_IN: Final = "jobs:status:"
_EVENTS_OF_TYPE: Final = "events:type:"
_EVENTS_OF_JOB: Final = "events:job:"
_TASK: Final = "task:"
_USER: Final = "user:"


def jobs_with_status(status: str) -> str:
    """Return the tag of lists of jobs in one status."""
    return f"{_JOBS_IN}{status}"


def job(job_id: UUID) -> str:
    """Return the tag of one job's details."""
    return f"{_JOB}{job_id.hex}"


def events_of_type(event_type: str) -> str:
    """Return the tag of lists of events of one type."""
    return f"{_EVENTS_OF_TYPE}{event_type}"


def events_of_job(job_id: UUID) -> str:
    """Return the tag of one job's history."""
    return f"{_EVENTS_OF_JOB}{job_id.hex}"


def of_event(event_type: str, job_id: UUID | None) -> tuple[str, ...]:
    """Return an event's tags, other than ``EVENTS``."""
    of_type = events_of_type(event_type)
    return (of_type,) if job_id is None else (of_type, events_of_job(job_id))


def task(task_id: UUID) -> str:
    """Return the tag of one task's details."""
    return f"{_TASK}{task_id.hex}"


def user(user_id: UUID) -> str:
    """Return the tag of one user's details, and of the cached user that authenticates requests."""
    return f"{_USER}{user_id.hex}"


@dataclass(frozen=True)
class TableTags:
    """The tags of one table.

    Args:
        of_row: returns the tags that a change of a row invalidates, by the row after the change.
        lists: the tags of lists and counts.
        bulk: the bulk tag, which stands for the tags of single rows.
        row_prefixes: the prefixes of the tags that ``bulk`` stands for.
    """

    of_row: Callable[[Any], tuple[str, ...]]
    lists: tuple[str, ...]
    bulk: str
    row_prefixes: tuple[str, ...]


#: The tags of each table.
TABLES: Final = MappingProxyType(
    {
        "jobs": TableTags(
            of_row=lambda row: (JOBS, jobs_with_status(row.status), job(row.pk)),
            lists=(JOBS, JOB_COUNTS, *map(jobs_with_status, JobStatus.values)),
            bulk=JOBS_IN_BULK,
            row_prefixes=(_JOB,),
        ),
        "events": TableTags(
            of_row=lambda row: (EVENTS, *of_event(row.type, row.job_id)),
            lists=(EVENTS,),
            bulk=EVENTS_IN_BULK,
            row_prefixes=(_EVENTS_OF_TYPE, _EVENTS_OF_JOB),
        ),
        "tasks": TableTags(
            of_row=lambda row: (TASKS, task(row.pk)),
            lists=(TASKS,),
            bulk=TASKS_IN_BULK,
            row_prefixes=(_TASK,),
        ),
        "users": TableTags(
            of_row=lambda row: (USERS, user(row.pk)),
            lists=(USERS,),
            bulk=USERS_IN_BULK,
            row_prefixes=(_USER,),
        ),
    }
)

#: By table, the tags that together invalidate every response that depends on the table.
TABLE_TAGS: Final = MappingProxyType(
    {name: frozenset({*table.lists, table.bulk}) for name, table in TABLES.items()}
)


def of_row(row: Any) -> tuple[str, ...]:
    """Return the tags that a change of a row invalidates.

    Args:
        row: the model instance after the change.
    """
    return TABLES[row._meta.db_table].of_row(row)


def bulk_of(tag: str) -> str | None:
    """Return the bulk tag that stands for a tag of a single row or a few rows; None for other tags."""
    return next((table.bulk for table in TABLES.values() if tag.startswith(table.row_prefixes)), None)


# --- Groups of responses, as the metrics count them ---------------------------------------------------------

#: Every group of responses, with the setting of its time to live in seconds.
TTL_SETTINGS: Final = MappingProxyType(
    {
        "jobs": "CACHE_TTL_JOB_LIST",
        "job_counts": "CACHE_TTL_JOB_COUNTS",
        "job": "CACHE_TTL_JOB_LIST",
        "events": "CACHE_TTL_EVENTS",
        "event": "CACHE_TTL_EVENTS",
        "tasks": "CACHE_TTL_TASK_LIST",
        "task": "CACHE_TTL_TASK_LIST",
        "users": "CACHE_TTL_USER_LIST",
        "user": "CACHE_TTL_USER_LIST",
        "user_auth": "CACHE_TTL_USER_AUTH",
        "console": "CACHE_TTL_CONSOLE",
    }
)

#: The groups that a tag invalidates, by the tag or its first part.
_GROUPS: Final = MappingProxyType(
    {
        JOBS: ("jobs", "console"),
        JOB_COUNTS: ("job_counts",),
        JOBS_IN_BULK: ("job",),
        "job": ("job",),
        EVENTS: ("events", "event", "console"),
        TASKS: ("tasks",),
        TASKS_IN_BULK: ("task",),
        "task": ("task",),
        USERS: ("users",),
        USERS_IN_BULK: ("user", "user_auth"),
        "user": ("user", "user_auth"),
    }
)


def groups_of(tags: Iterable[str]) -> set[str]:
    """Return the groups of responses that the tags invalidate."""
    return {group for tag in tags for group in _groups_of(tag)}


def _groups_of(tag: str) -> tuple[str, ...]:
    return _GROUPS.get(tag) or _GROUPS.get(tag.partition(":")[0], ())
