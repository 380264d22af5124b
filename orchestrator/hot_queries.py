"""Every hot query, with what asks it and the index that must serve it: the one place that says so.

From it come the tests on both engines, ``explain_queries``, the monitoring's ``query_plans``, and the system
check that no index is without a reader. The lists of the API are in ``orchestrator.hot_lists``, those of the
operators in ``orchestrator.hot_pages``.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet
from django.utils import timezone

from monitoring.hot_queries import OUT_OF_TIME, HotQuery, PlanCheck, examine, from_queryset
from monitoring.plans import PRIMARY_KEY, Statement
from orchestrator.cache import outbox
from orchestrator.choices import JobStatus, Role
from orchestrator.hot_lists import HOT_LISTS, SINCE, Part
from orchestrator.hot_pages import page_queries, page_query
from orchestrator.limits import PAGE_DEFAULT, RECENT_LARGEST
from orchestrator.models import Event, Job, Task, User
from orchestrator.pagination import Order
from orchestrator.rows import found_beyond

_NOBODY: Final = UUID(int=0)
_SECONDS_OF_A_PAGE: Final = 0.4
#: Ranges on a column that no order of the list begins with: shown with one order each, tested with all.
_ACROSS: Final = frozenset({"started_after", "completed_after", "created_before"})

#: Indexes that hot queries name and no model declares: those of tables that are made by SQL.
OF_NO_MODEL: Final = frozenset({"ix_cache_outbox_transaction", "ix_cache_outbox_families"})

#: Indexes whose work a wider one could do, and why they stay.
KEPT: Final = {
    name: f"one of the performance report's indexes, and the narrowest for {reader}"
    for name, reader in {
        "ix_jobs_status": "jobs of one status in any order",
        "ix_jobs_priority": "jobs of one priority in any order",
        "ix_jobs_status_priority": "jobs of one status and priority in any order",
        "ix_events_type": "events of one type in any order",
        "ix_tasks_title": "tasks of one title in any order",
        "ix_users_role": "users of one role in any order",
        "ix_users_active": "active or inactive users in any order",
    }.items()
}


def hot_queries() -> tuple[HotQuery, ...]:
    """Return the queries that are shown to people: of the lists' combinations those that tell most."""
    return (*_lists(), *_rows(), *_work(), *_pages(), *_in_any_order(), *_outbox())


def every_query() -> tuple[HotQuery, ...]:
    """Return all of them, with every combination of filters and order that the lists can be asked for."""
    combinations = (query for hot in HOT_LISTS for query in hot.queries())
    return (*combinations, *page_queries(), *_rows(), *_work(), *_in_any_order(), *_outbox())


def query_plans() -> tuple[PlanCheck, ...]:
    """Return how one query of each index is served now, with its real time: what a page can afford to ask."""
    one_of_each = {
        query.index if query.index != PRIMARY_KEY else query.name: query for query in hot_queries()[::-1]
    }
    queries = sorted(one_of_each.values(), key=lambda query: (query.table, query.name))
    examined = examine(queries, analyze=True, seconds=_SECONDS_OF_A_PAGE)
    return tuple(one for one in examined if OUT_OF_TIME not in one.problems)


def _lists() -> Iterator[HotQuery]:
    for hot in HOT_LISTS:
        shown = [name for name in hot.filters.base_filters if name not in _ACROSS]
        for order in hot.view.orders:
            for chosen in range(2 ** len(shown)):
                yield hot.query(tuple(name for bit, name in enumerate(shown) if chosen >> bit & 1), order)
            for name in sorted(_ACROSS.intersection(hot.filters.base_filters)):
                yield hot.query((name,), order)
            yield hot.query((), order, later=True)
        for name in sorted(SINCE.intersection(hot.filters.base_filters)):
            for order in hot.view.orders:
                yield hot.query((name,), order, part=Part.MADE_BEFORE)


def _rows() -> Iterator[HotQuery]:
    """Yield what asks for one row, or for the rows that belong to one."""
    for model, table in ((Job, "jobs"), (Event, "events"), (Task, "tasks"), (User, "users")):
        name = f"{table.removesuffix('s')} by id"
        yield _hot(
            name, f"GET /api/v1/{table}/{{id}}/", model.objects.filter(pk=_NOBODY), PRIMARY_KEY, ("id",)
        )
    sign_in = "sign-in, and the check of a new user's name"
    yield _hot(
        "user by name", sign_in, User.objects.filter(username="ada"), "ix_users_username", ("username",)
    )
    yield _hot(
        "user by address",
        "the check of a new user's address",
        User.objects.filter(email="ada@example.com"),
        "ix_users_email",
        ("email",),
    )
    yield _hot(
        "active admins",
        "the check that an admin is left",
        User.objects.filter(role=Role.ADMIN, active__in=[True]),
        "ix_users_role_active_username",
        ("role",),
        alternatives=(
            "ix_users_role_active_created",
            "ix_users_role",
            "ix_users_role_username",
            "ix_users_role_created_at",
        ),
    )
    history = Event.objects.of_job(_NOBODY)
    caller = "GET /api/v1/jobs/{id}/events/"
    index, conditions = "ix_events_job_id_created_at", ("job_id",)
    yield _hot("events of a job", caller, history[: PAGE_DEFAULT + 1], index, conditions)
    order = Order.of("-created_at", ("-created_at", "-id"))
    rest = found_beyond(history, order.columns, (timezone.now(), _NOBODY), descending=True)
    yield _hot("events of a job, next page", caller, rest[: PAGE_DEFAULT + 1], index, conditions)
    yield _hot(
        "recent events",
        "GET /api/v1/events/recent/",
        Event.objects.recent()[:RECENT_LARGEST],
        "ix_events_created_at",
        ("created_at",),
    )


def _work() -> Iterator[HotQuery]:
    """Yield what workers, sweepers, the archive and operators ask."""
    old = timezone.now() - timedelta(days=60)
    yield _hot(
        "claimable jobs",
        "POST /api/v1/jobs/claim/",
        Job.objects.claimable()[:PAGE_DEFAULT],
        "ix_jobs_claimable",
    )
    yield _hot(
        "jobs whose lease ran out",
        "requeue_expired",
        Job.objects.lease_expired(timezone.now())[:PAGE_DEFAULT],
        "ix_jobs_lease_expires_at",
        ("lease_expires_at",),
    )
    ended = Job.objects.filter(completed_at__lt=old)
    yield _hot(
        "jobs that ended long ago",
        "archive",
        ended.order_by("completed_at", "id")[:PAGE_DEFAULT],
        "ix_jobs_completed_at",
        ("completed_at",),
    )
    aged = Event.objects.filter(created_at__lt=old).order_by("created_at", "id")
    yield _hot("events of long ago", "archive", aged[:PAGE_DEFAULT], "ix_events_created_at", ("created_at",))


def _pages() -> Iterator[HotQuery]:
    """Yield what the operators' lists ask and the API's do not."""
    for filters, order in (
        (("worker",), "-created_at"),
        (("worker", "created_at"), "-created_at"),
        (("name",), "name"),
        ((), "name"),
        ((), "priority"),
    ):
        for later in (False, True):
            yield page_query("jobs", filters, order, later=later)


def _in_any_order() -> Iterator[HotQuery]:
    """Yield the report's questions: a wider index would do, the narrowest is best and must be there."""
    failed, lately = JobStatus.FAILED, timezone.now() - timedelta(minutes=5)
    jobs, users = Job.objects.all(), User.objects.all()
    # PostgreSQL 18 can skip through the five statuses of an index that has the priority after them.
    skipped = ("status_priority", "status_prio_created")
    of_a_role = ("role_username", "role_created_at", "role_active_username", "role_active_created")
    # The question, its rows, the index's columns, and the wider indexes without their table.
    questions: tuple[tuple[str, QuerySet[Any], tuple[str, ...], tuple[str, ...]], ...] = (
        ("jobs of a status", jobs.filter(status=failed), ("status",), (*skipped, "status_created_at")),
        ("jobs started lately", jobs.filter(started_at__gt=lately), ("started_at",), ()),
        ("jobs of a priority", jobs.filter(priority=20), ("priority",), ("priority_created_at", *skipped)),
        (
            "jobs of a status and priority",
            jobs.filter(status=failed, priority=20),
            ("status", "priority"),
            ("status_prio_created",),
        ),
        ("events of a type", Event.objects.filter(type="job_failed"), ("type",), ("type_created_at",)),
        ("tasks of a title", Task.objects.filter(title="Review"), ("title",), ("title_created_at",)),
        ("users of a role", users.filter(role=Role.MODERATOR), ("role",), of_a_role),
        (
            "inactive users",
            users.filter(active__in=[False]),
            ("active",),
            ("active_username", "active_created_at"),
        ),
    )
    for question, rows, columns, wider in questions:
        table = rows.model._meta.db_table
        yield _hot(
            f"{question}, in any order",
            "bulk changes and the performance report",
            rows.order_by()[:PAGE_DEFAULT],
            "_".join(("ix", table, *columns)),
            columns,
            alternatives=tuple(f"ix_{table}_{name}" for name in wider),
        )


def _outbox() -> Iterator[HotQuery]:
    """Yield what every COMMIT and the keeper ask the outbox of cache invalidations."""

    def own(connection: BaseDatabaseWrapper) -> Statement:
        return Statement(outbox.OWN[connection.vendor])

    def pending(_: BaseDatabaseWrapper) -> Statement:
        return Statement(outbox.PENDING, [PAGE_DEFAULT])

    def waiting(_: BaseDatabaseWrapper) -> Statement:
        return Statement("SELECT 1 FROM cache_outbox WHERE families = %s", ["jobs"])

    yield HotQuery(
        name="an invalidation that waits already",
        caller="every change of a row, by the tables' triggers",
        table="cache_outbox",
        statement=waiting,
        index="ix_cache_outbox_families",
        conditions=("families",),
        engine="sqlite",
    )
    yield HotQuery(
        name="a transaction's own invalidations",
        caller="every COMMIT",
        table="cache_outbox",
        statement=own,
        index="ix_cache_outbox_transaction",
        conditions=("transaction",),
        engine="postgresql",  # on SQLite every row there is the transaction's to take
    )
    yield HotQuery(
        name="pending invalidations",
        caller="the cache's keeper",
        table="cache_outbox",
        statement=pending,
        index=PRIMARY_KEY,
        engine="postgresql",  # SQLite keeps the table itself in this order
    )


def _hot(
    name: str,
    caller: str,
    rows: QuerySet[Any],
    index: str,
    conditions: tuple[str, ...] = (),
    **more: Any,
) -> HotQuery:
    return HotQuery(
        name=name,
        caller=caller,
        table=rows.model._meta.db_table,
        statement=from_queryset(rows),
        index=index,
        conditions=conditions,
        **more,
    )
