"""What the operators' lists can ask: every way through a table in every order, each with its index."""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from itertools import chain, combinations
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from monitoring.hot_queries import HotQuery, from_queryset
from orchestrator.choices import JobStatus, Role
from orchestrator.cursors import Cursor
from orchestrator.models import Event, Job, Task, User
from orchestrator.pagination import Order
from orchestrator.walks import Listing, Narrowing
from orchestrator.ways import WAYS

#: Rows of a page, and the one that tells that there are more.
_PAGE: Final = 51
_NOBODY: Final = UUID(int=0)

#: The filters, as lists put them.
_FILTERS: Final[Mapping[str, Narrowing]] = {
    "status": lambda rows: rows.filter(status=JobStatus.FAILED),
    "priority": lambda rows: rows.filter(priority=20),
    "worker": lambda rows: rows.filter(worker="gpu-1"),
    "created_at": lambda rows: rows.filter(
        created_at__gte=timezone.now() - timedelta(days=7), created_at__lt=timezone.now()
    ),
    "name": lambda rows: rows.beginning_with("name", "Nightly"),  # type: ignore[attr-defined]
    "type": lambda rows: rows.filter(type="job_failed"),
    "job": lambda rows: rows.filter(job_id=_NOBODY),
    "title": lambda rows: rows.beginning_with("title", "Re"),  # type: ignore[attr-defined]
    "username": lambda rows: rows.beginning_with("username", "m"),  # type: ignore[attr-defined]
    "role": lambda rows: rows.filter(role=Role.MODERATOR),
    "active": lambda rows: rows.filter(active__in=[False]),
}
#: Combinations of filters that a list may begin with, by table; of them each subset.
_BEGINNINGS: Final = {
    "jobs": ("status priority created_at", "worker created_at", "name"),
    "events": ("type created_at", "created_at job"),
    "tasks": ("created_at", "title"),
    "users": ("role active", "username"),
}
_POSITIONS: Final[Mapping[str, Callable[[], Any]]] = {
    "created_at": lambda: timezone.now() - timedelta(days=1),
    "id": lambda: _NOBODY,
    "priority": lambda: 0,
    "name": lambda: "Nightly export",
    "title": lambda: "Review",
    "username": lambda: "m",
}
_ALL: Final[Mapping[str, QuerySet[Any]]] = {
    "jobs": Job.objects.all(),
    "events": Event.objects.all(),
    "tasks": Task.objects.all(),
    "users": User.objects.all(),
}

#: Columns that indexes' names write otherwise.
_SHORT: Final = {
    "ix_jobs_status_priority_created_at": "ix_jobs_status_prio_created",
    "ix_users_role_active_created_at": "ix_users_role_active_created",
}


def page_queries() -> Iterator[HotQuery]:
    """Yield the queries of the pages: the first and a later one, by each way in each order."""
    for table, beginnings in _BEGINNINGS.items():
        for filters in dict.fromkeys(chain.from_iterable(map(_subsets, beginnings))):
            for order in WAYS[table](filters).orders:
                for later in (False, True):
                    yield page_query(table, filters, order, later=later)


def page_query(table: str, filters: tuple[str, ...], order: str, *, later: bool = False) -> HotQuery:
    """Return the query of a page.

    Args:
        table: whose list it is.
        filters: names of filters that a way of the table takes.
        order: one of that way's orders.
        later: whether it is a page that a cursor leads to.
    """
    way = WAYS[table](filters)
    ordering = Order.of(order, way.orders[order])
    rows = _ALL[table]
    for name in filters:
        rows = _FILTERS[name](rows)
    cursor = Cursor(position=tuple(_POSITIONS[column]() for column in ordering.columns) if later else ())
    page = Listing(rows, ordering).beginning(cursor)[:_PAGE]
    words = f" by {' and '.join(filters)}" if filters else ""
    return HotQuery(
        name=f"the admin's {table}{words}, {order} first{', next page' if later else ''}",
        caller=f"/admin/orchestrator/{table.removesuffix('s')}/",
        table=table,
        statement=from_queryset(page),
        conditions=_columns_of(filters),
        **_served(table, filters, ordering),
    )


def _served(table: str, filters: tuple[str, ...], order: Order) -> dict[str, Any]:
    """Return the index that has to serve a page: its columns are those of the filters and of the order."""
    fixed = [column for column in _columns_of(filters) if column not in order.columns]
    columns = [*fixed, *(column for column in order.columns if column != "id")]
    name = f"ix_{table}_{'_'.join(columns)}"
    more: dict[str, Any] = {}
    if table == "users" and fixed:
        # SQLite believes a role or a state to be as common as any other of them, and walks past the others.
        more = {
            "alternatives": (f"ix_users_{columns[-1]}",),
            "index_ordered": False,
            "cost_grows_with": "rows walked until a page is full, where every role is common",
        }
    return {"index": _SHORT.get(name, name), **more}


def _columns_of(filters: tuple[str, ...]) -> tuple[str, ...]:
    return tuple("job_id" if name == "job" else name for name in filters)


def _subsets(filters: str) -> Iterator[tuple[str, ...]]:
    names = filters.split()
    return chain.from_iterable(combinations(names, size) for size in range(len(names) + 1))
