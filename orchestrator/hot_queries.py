"""The declaration of every hot query: its caller and the index that must serve it (docs/hot-queries.md).

The tests on both engines, ``explain_queries``, the monitoring's ``query_plans`` and the system check that
every index has a reader use it. The queries of the lists are derived from ``orchestrator.lists``.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from monitoring.plan_checks import OUT_OF_TIME, HotQuery, PlanCheck, examine, from_queryset
from monitoring.plans import PRIMARY_KEY, Statement
from orchestrator.cache import outbox
from orchestrator.choices import JobStatus, Role
from orchestrator.leases.queue_order import next_jobs, scheduled_jobs
from orchestrator.leases.waiting import next_priority, next_scheduled, oldest_of_priority
from orchestrator.limits import DEFAULT_PAGE_SIZE, MAX_RECENT_EVENTS
from orchestrator.listing import Cursor, ListDefinition, Order, Selection, access_path
from orchestrator.lists import LISTS
from orchestrator.models import Event, Job, Task, User
from orchestrator.stream.postgresql import PostgresPosition, newest_statement
from orchestrator.stream.transaction_snapshots import Snapshot

_NIL_ID: Final = UUID(int=0)
#: Time limit for the plans that the monitoring page shows.
_PAGE_SECONDS: Final = 0.4
#: Indexes that find one row. ``_single_rows`` declares their queries, not the lists.
_SINGLE_ROW_INDEXES: Final = (PRIMARY_KEY, "ix_users_email")
#: The position at which a later page begins, by column.
_POSITIONS: Final[Mapping[str, Callable[[], Any]]] = {
    "created_at": lambda: timezone.now() - timedelta(days=1),
    "started_at": lambda: timezone.now() - timedelta(days=1),
    "completed_at": lambda: timezone.now() - timedelta(days=1),
    "id": lambda: _NIL_ID,
    "priority": lambda: 0,
    "name": lambda: "Nightly export",
    "title": lambda: "Review",
    "username": lambda: "m",
}

#: Indexes that hot queries name and no model declares: they belong to tables that SQL migrations create.
UNMANAGED_INDEXES: Final = frozenset(
    {"ix_cache_outbox_transaction", "ix_cache_outbox_tags", "ix_events_transaction"}
)

#: Why an index stays although a wider one could replace it, by name.
KEEP_REASONS: Final = dict.fromkeys(
    (
        "ix_jobs_status",
        "ix_jobs_priority",
        "ix_jobs_status_priority",
        "ix_events_type",
        "ix_tasks_title",
        "ix_users_role",
        "ix_users_active",
    ),
    "one of the performance report's indexes, and the narrowest for its columns in any order",
)


def hot_queries() -> tuple[HotQuery, ...]:
    """Return every hot query."""
    return (*_lists(), *_single_rows(), *_in_any_order(), *_leases(), *_outbox(), _stream())


def query_plans() -> tuple[PlanCheck, ...]:
    """Run one query for each index, few enough for a page, and return their plans and times."""
    one_of_each = {
        query.index if query.index != PRIMARY_KEY else query.name: query for query in hot_queries()[::-1]
    }
    queries = sorted(one_of_each.values(), key=lambda query: (query.table, query.name))
    examined = examine(queries, analyze=True, seconds=_PAGE_SECONDS)
    return tuple(one for one in examined if OUT_OF_TIME not in one.problems)


def _lists() -> Iterator[HotQuery]:
    """Yield the first page and a later one for each access path of each list, in each direction.

    A bounded scan uses the same access path; it is the first page with a larger limit.
    """
    declared: set[object] = set()
    for definition in LISTS:
        for names in definition.combinations(definition.filters):
            for order in definition.orders_with(names, definition.orders):
                path = access_path(definition, names, order)
                if (path, order.descending) not in declared and path.index not in _SINGLE_ROW_INDEXES:
                    declared.add((path, order.descending))
                    yield from _pages(definition, names, order)


def _pages(definition: ListDefinition, names: tuple[str, ...], order: Order) -> Iterator[HotQuery]:
    """Yield the queries of a list's first page and a later one, with the filters' sample values."""
    path = access_path(definition, names, order)
    conditions = {name: definition.by_name[name].sample_value for name in names}
    selection = Selection(definition, conditions, order)
    position = tuple(_POSITIONS[column]() for column in path.columns)
    for suffix, cursor in (("", Cursor()), (", next page", Cursor(position=position))):
        yield HotQuery(
            name=f"{_name(definition, names, order)}{suffix}",
            caller=_caller(definition, names, order),
            table=definition.name,
            statement=from_queryset(selection.walk(cursor)[: DEFAULT_PAGE_SIZE + 1]),
            index=path.index,
            conditions=tuple(definition.by_name[name].column for name in path.served),
        )


def _name(definition: ListDefinition, names: tuple[str, ...], order: Order) -> str:
    filters = f" by {' and '.join(names)}" if names else ""
    is_default = order == definition.orders_with(names, definition.orders)[0]
    return f"{definition.name}{filters}{'' if is_default else f', ordering={order.name}'}"


def _caller(definition: ListDefinition, names: tuple[str, ...], order: Order) -> str:
    if order.api and all(definition.by_name[name].api for name in names):
        return f"GET /api/v1/{definition.name}/"
    return f"/admin/orchestrator/{definition.model._meta.model_name}/"


def _single_rows() -> Iterator[HotQuery]:
    """Yield the queries that find one row or a few, and that of the recent events."""
    for model in (Job, Event, Task, User):
        caller = f"GET /api/v1/{model._meta.db_table}/{{id}}/"
        rows = model.objects.filter(pk=_NIL_ID)
        yield _hot(f"{model._meta.model_name} by id", caller, rows, "id", index=PRIMARY_KEY)
    users, unique = User.objects.all(), "the check that an email address is unique"
    signing_in = "sign-in, and the check that a username is unique"
    yield _hot("user by username", signing_in, users.filter(username="ada"), "username")
    yield _hot("user by email", unique, users.filter(email="ada@example.com"), "email")
    admins, other = users.filter(role=Role.ADMIN, active=True), ("ix_users_active",)
    yield _hot("active admins", "the check that an admin is left", admins, "role", alternatives=other)
    recent = Event.objects.recent()[:MAX_RECENT_EVENTS]
    yield _hot("recent events", "GET /api/v1/events/recent/", recent, "created_at")


def _in_any_order() -> Iterator[HotQuery]:
    """Yield the performance report's queries. A wider index can serve them; the narrowest is the best."""
    failed, lately = JobStatus.FAILED, timezone.now() - timedelta(minutes=5)
    jobs, users = Job.objects.all(), User.objects.all()
    # PostgreSQL 18 can skip scan an index on the priority that has the five statuses before it.
    skipped = ("status_priority", "status_prio_created")
    # Each with its name, its rows, the index's columns, and wider indexes (names without prefix and table).
    queries: tuple[tuple[str, QuerySet[Any], tuple[str, ...], tuple[str, ...]], ...] = (
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
        ("users of a role", users.filter(role=Role.MODERATOR), ("role",), ()),
        ("inactive users", users.filter(active__in=[False]), ("active",), ()),
    )
    for name, rows, columns, wider in queries:
        limited = rows.order_by()[:DEFAULT_PAGE_SIZE]
        alternatives = tuple(f"ix_{rows.model._meta.db_table}_{suffix}" for suffix in wider)
        caller = "bulk changes and the performance report"
        yield _hot(f"{name}, in any order", caller, limited, *columns, alternatives=alternatives)


def _leases() -> Iterator[HotQuery]:
    """Yield the queries of workers' claims, and those that the background worker runs for them."""
    caller, now = "POST /api/v1/jobs/claim/", timezone.now()
    expired = Job.objects.expired(now)[:DEFAULT_PAGE_SIZE]
    pages, under_lease = "/admin/queues/, /admin/workers/ and /metrics", Job.objects.under_lease()
    queue_and_priority = ("queue", "priority")
    yield _of_jobs("the next job", caller, next_jobs(None, now, 1), "ix_jobs_claim")
    yield _of_jobs(
        "the next job of a queue", caller, next_jobs(["reports"], now, 1), "ix_jobs_claim_queue", "queue"
    )
    yield _of_jobs(
        "jobs whose time has come", caller, scheduled_jobs(now, 1), "ix_jobs_schedule", "available_at"
    )
    yield _hot("jobs whose lease has expired", "requeue_expired", expired, "lease_expires_at")
    yield _hot("jobs under a lease", pages, under_lease[:DEFAULT_PAGE_SIZE], index="ix_jobs_lease_expires_at")
    yield _of_jobs(
        "the oldest due job of a queue and priority",
        pages,
        oldest_of_priority("reports", 20),
        "ix_jobs_claim_queue",
        *queue_and_priority,
    )
    yield _of_jobs(
        "the next priority of a queue",
        pages,
        next_priority("reports", 20),
        "ix_jobs_claim_queue",
        *queue_and_priority,
    )
    yield _of_jobs("the next scheduled jobs", pages, next_scheduled(now), "ix_jobs_schedule", "available_at")


def _of_jobs(name: str, caller: str, statement: Statement, index: str, *columns: str) -> HotQuery:
    """Return the declaration of a query for jobs that is written in SQL, with conditions on some columns."""
    return HotQuery(
        name=name,
        caller=caller,
        table="jobs",
        statement=lambda _: statement,
        index=index,
        conditions=columns,
    )


def _outbox() -> Iterator[HotQuery]:
    """Yield the queries of the cache's outbox."""
    yield HotQuery(
        name="an invalidation that is already pending",
        caller="every change of a row, by the tables' triggers",
        table="cache_outbox",
        statement=lambda _: Statement("SELECT 1 FROM cache_outbox WHERE tags = %s", ["jobs"]),
        index="ix_cache_outbox_tags",
        conditions=("tags",),
        engine="sqlite",
    )
    yield HotQuery(
        name="a transaction's own invalidations",
        caller="every COMMIT",
        table="cache_outbox",
        statement=lambda connection: Statement(outbox.SELECT_OWN[connection.vendor]),
        index="ix_cache_outbox_transaction",
        conditions=("transaction",),
        engine="postgresql",  # on SQLite a transaction takes every row
    )
    yield HotQuery(
        name="pending invalidations",
        caller="the cache's relay",
        table="cache_outbox",
        statement=lambda _: Statement(outbox.SELECT_PENDING, [DEFAULT_PAGE_SIZE]),
        index=PRIMARY_KEY,
        engine="postgresql",  # SQLite stores the table in this order
    )


def _stream() -> HotQuery:
    """Return the query that reads new events. SQLite stores the table in the order of the stream."""
    position = PostgresPosition(Snapshot(3))
    return HotQuery(
        name="events after a position of the stream",
        caller="GET /api/v1/events/stream/",
        table="events",
        statement=lambda _: Statement(*newest_statement(position)),
        index="ix_events_transaction",
        conditions=("transaction",),
        engine="postgresql",
    )


def _hot(
    name: str, caller: str, rows: QuerySet[Any], *columns: str, index: str = "", **more: Any
) -> HotQuery:
    """Return the declaration of a query with conditions on some columns, by default with their index."""
    table = rows.model._meta.db_table
    return HotQuery(
        name=name,
        caller=caller,
        table=table,
        statement=from_queryset(rows),
        index=index or "_".join(("ix", table, *columns)),
        conditions=columns,
        **more,
    )
