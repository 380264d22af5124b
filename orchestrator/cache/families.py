"""Families: what a cached answer depends on, and which of them a changed row makes stale.

The database's triggers (``orchestrator/migrations/sql/``) name the same families for the same changes, from
the old and the new row; a test holds the two together.
"""

from collections.abc import Iterable
from types import MappingProxyType
from typing import Final
from uuid import UUID

from orchestrator.choices import JobStatus

JOBS: Final = "jobs"
JOB_COUNTS: Final = "jobs:counts"
EVENTS: Final = "events"
TASKS: Final = "tasks"
USERS: Final = "users"

#: Changes of so many rows at once that they are not named one by one: each detail depends on its table's.
JOBS_IN_BULK: Final = "jobs:bulk"
EVENTS_IN_BULK: Final = "events:bulk"
TASKS_IN_BULK: Final = "tasks:bulk"
USERS_IN_BULK: Final = "users:bulk"

#: By table, all that can be stale after rows changed in a way that names none of them (``TRUNCATE``).
OF_TABLE: Final = MappingProxyType(
    {
        JOBS: frozenset({JOBS, JOB_COUNTS, JOBS_IN_BULK, *(f"jobs:status:{status}" for status in JobStatus)}),
        EVENTS: frozenset({EVENTS, EVENTS_IN_BULK}),
        TASKS: frozenset({TASKS, TASKS_IN_BULK}),
        USERS: frozenset({USERS, USERS_IN_BULK}),
    }
)


def jobs_in(status: str) -> str:
    """Return the family of the lists of jobs in one status."""
    return f"jobs:status:{status}"


def job(job_id: UUID) -> str:
    """Return the family of one job's details."""
    return f"job:{job_id.hex}"


def events_of_type(event_type: str) -> str:
    """Return the family of the lists of events of one type."""
    return f"events:type:{event_type}"


def events_of_job(job_id: UUID) -> str:
    """Return the family of one job's history."""
    return f"events:job:{job_id.hex}"


def of_event(event_type: str, job_id: UUID | None) -> tuple[str, ...]:
    """Return the families of the lists, other than those of all events, that show an event."""
    of_type = events_of_type(event_type)
    return (of_type,) if job_id is None else (of_type, events_of_job(job_id))


def task(task_id: UUID) -> str:
    """Return the family of one task's details."""
    return f"task:{task_id.hex}"


def user(user_id: UUID) -> str:
    """Return the family of one user's details and of what signs that user in."""
    return f"user:{user_id.hex}"


def table_of(family: str) -> str:
    """Return the table whose rows the family is about: jobs, events, tasks or users."""
    head = family.partition(":")[0]
    return head if head.endswith("s") else f"{head}s"


#: Groups of answers, as the statistics name them, that a family makes stale, by its name or its first part.
_GROUPS: Final = MappingProxyType(
    {
        JOBS: ("jobs",),
        JOB_COUNTS: ("job_counts",),
        JOBS_IN_BULK: ("job",),
        "job": ("job",),
        EVENTS: ("events", "event"),
        TASKS: ("tasks",),
        TASKS_IN_BULK: ("task",),
        "task": ("task",),
        USERS: ("users",),
        USERS_IN_BULK: ("user", "user_auth"),
        "user": ("user", "user_auth"),
    }
)


def groups_of(families: Iterable[str]) -> set[str]:
    """Return the groups of answers, as the statistics name them, that the families make stale."""
    return {group for family in families for group in _groups_of(family)}


def _groups_of(family: str) -> tuple[str, ...]:
    return _GROUPS.get(family) or _GROUPS.get(family.partition(":")[0], ())
