"""What the lists of the API can ask: every filter with every order, each with the index that serves it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from itertools import chain, combinations
from typing import Any, Final
from uuid import UUID

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet
from django.utils import timezone
from django_filters import FilterSet

from monitoring.hot_queries import HotQuery, from_queryset
from monitoring.plans import Statement
from orchestrator import splits
from orchestrator.api.views import EventViewSet, JobViewSet, TaskViewSet, UserViewSet
from orchestrator.api.views.base import ResourceViewSet
from orchestrator.limits import PAGE_DEFAULT
from orchestrator.models import Event, Job, Task, User
from orchestrator.pagination import Order

#: Filters of the time of creation, and those of later times, most of whose rows were made after them, too.
_BY_AGE: Final = frozenset({"created_after", "created_before", "started_after", "completed_after"})
SINCE: Final = frozenset({"started_after", "completed_after"})
#: Two ranges, or a range and an order, on columns of their own: no B-tree gives both.
_WALK_OR_SORT: Final = (
    "rows walked until a page is full, or rows in the range, whichever the planner believes to be fewer"
)
_WALK_WHERE_USUAL: Final = (
    "rows walked until a page is full, where the planner believes their priority to be the usual one"
)
_WALK_WHERE_COMMON: Final = (
    "rows walked until a page is full, where the planner believes every role to be common"
)

_ORDER_NAMES: Final = {
    "-created_at": "newest first",
    "created_at": "oldest first",
    "-priority": "highest priority first",
    "title": "by title",
    "username": "by name",
}


class Part(Enum):
    """One of the queries that together give a page (``orchestrator.splits``), and how its name ends."""

    MAIN = ""
    MADE_BEFORE = "made before that"
    OTHER_PRIORITIES = "other priorities"


@dataclass(frozen=True)
class Served:
    """How a list with some filters in some order has to be served; the fields are those of ``HotQuery``."""

    index: str
    conditions: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    bound: str = ""


def _jobs(filters: frozenset[str], order: str) -> Served:
    fixed = tuple(column for column in ("status", "priority") if column in filters)
    by_priority = order == "-priority" and "priority" not in filters
    index = {
        ((), False): "ix_jobs_created_at",
        (("status",), False): "ix_jobs_status_created_at",
        (("priority",), False): "ix_jobs_priority_created_at",
        (("status", "priority"), False): "ix_jobs_status_prio_created",
        ((), True): "ix_jobs_priority_created_at",
        (("status",), True): "ix_jobs_status_prio_created",
    }[fixed, by_priority]
    if by_priority and filters & _BY_AGE:
        others = ("ix_jobs_priority_created_at", "ix_jobs_status_created_at", "ix_jobs_created_at")
        return Served(index, (*fixed, *_age(filters)), others, _WALK_WHERE_USUAL)
    return Served(index, (*fixed, *_age(filters)))


def _jobs_made_before(filters: frozenset[str], order: str) -> Served:
    """Tell of the jobs of a list that were made before the moment that they started or ended after."""
    column = "took" if "completed_after" in filters else "waited"
    by_priority = order == "-priority" or "priority" in filters
    return Served(f"ix_jobs_{column}_priority" if by_priority else f"ix_jobs_{column}")


def _events(filters: frozenset[str], order: str) -> Served:
    del order  # both are one index, read from either end
    if "type" in filters:
        return Served("ix_events_type_created_at", ("type", *_age(filters)))
    return Served("ix_events_created_at", _age(filters))


def _tasks(filters: frozenset[str], order: str) -> Served:
    if "title" in filters:
        return Served("ix_tasks_title_created_at", ("title", *_age(filters)))
    if order == "title":
        # Few tasks share a title: it costs little to put those in order of creation.
        others: tuple[str, ...] = ("ix_tasks_title",) if filters & {*_BY_AGE, "title_prefix"} else ()
        if filters & _BY_AGE:
            others += ("ix_tasks_created_at",)
        fixed = ("title",) if "title_prefix" in filters else ()
        return Served("ix_tasks_title_created_at", fixed, others, _WALK_OR_SORT if others else "")
    if "title_prefix" in filters:
        others = ("ix_tasks_title", "ix_tasks_title_created_at")
        return Served("ix_tasks_created_at", (), others, _WALK_OR_SORT)
    return Served("ix_tasks_created_at", _age(filters))


def _users(filters: frozenset[str], order: str) -> Served:
    fixed = tuple(column for column in ("role", "active") if column in filters)
    last = "username" if order == "username" else "created_at"
    # A name has 30 characters at most.
    index = "_".join(("ix_users", *fixed, last))
    index = {"ix_users_role_active_created_at": "ix_users_role_active_created"}.get(index, index)
    # SQLite believes a role or a state to be as common as any other of them, and walks past the others.
    walk = (f"ix_users_{last}",) if fixed else ()
    return Served(index, fixed, walk, _WALK_WHERE_COMMON if fixed else "")


def _age(filters: frozenset[str]) -> tuple[str, ...]:
    return ("created_at",) if filters & _BY_AGE else ()


@dataclass(frozen=True)
class HotList:
    """A list of the API.

    Args:
        name: what its rows are called; also their table.
        view: that answers it.
        rows: that it lists.
        served: tells how it has to be served, from the names of its filters and of its order.
    """

    name: str
    view: type[ResourceViewSet]
    rows: QuerySet[Any]
    served: Callable[[frozenset[str], str], Served]

    @property
    def filters(self) -> type[FilterSet]:
        """Return the filters that the list may be asked for."""
        filters = self.view.filterset_class
        assert filters is not None, f"the list of {self.name} has filters"  # noqa: S101 - for the type's sake
        return filters

    def queries(self) -> Iterator[HotQuery]:
        """Yield each combination of filters with each order, first pages and later ones."""
        names = tuple(self.filters.base_filters)
        for filters in chain.from_iterable(combinations(names, size) for size in range(len(names) + 1)):
            for order in self.view.orders:
                for later in (False, True):
                    for part in self._parts(frozenset(filters), order, later=later):
                        yield self.query(filters, order, later=later, part=part)

    def query(
        self, filters: tuple[str, ...], order: str, *, later: bool = False, part: Part = Part.MAIN
    ) -> HotQuery:
        """Return one of them.

        Args:
            filters: names of filters.
            order: the name of an order.
            later: whether it is a page that a cursor leads to.
            part: which of the queries that together give the page, where one does not.
        """
        tells = _jobs_made_before if part is Part.MADE_BEFORE else self.served
        served = tells(frozenset(filters), order)
        return HotQuery(
            name=self._title(filters, order, later=later, part=part),
            caller=f"GET /api/v1/{self.name}/",
            table=self.name,
            statement=self._statement(filters, order, later=later, part=part),
            index=served.index,
            alternatives=tuple(other for other in served.alternatives if other != served.index),
            conditions=served.conditions,
            index_ordered=not served.alternatives,
            cost_grows_with=served.bound,
        )

    @staticmethod
    def _parts(filters: frozenset[str], order: str, *, later: bool) -> Iterator[Part]:
        yield Part.MAIN
        if filters & SINCE and not later:
            yield Part.MADE_BEFORE
        if order == "-priority" and later and filters & _BY_AGE and "priority" not in filters:
            yield Part.OTHER_PRIORITIES

    def _title(self, filters: tuple[str, ...], order: str, *, later: bool, part: Part) -> str:
        fixed = [name for name in filters if not name.endswith(("_after", "_before"))]
        words = f"{self.name} by {' and '.join(fixed)}" if fixed else self.name
        ranges = [name.replace("_", " ") for name in filters if name not in fixed]
        usual = order == next(iter(self.view.orders))
        parts = [words, *ranges, *([] if usual else [_ORDER_NAMES[order]]), *(["next page"] if later else [])]
        parts += [part.value] if part.value else []
        return ", ".join(parts)

    def _statement(
        self, filters: tuple[str, ...], order: str, *, later: bool, part: Part
    ) -> Callable[[BaseDatabaseWrapper], Statement]:
        def statement(connection: BaseDatabaseWrapper) -> Statement:
            samples = {name: _SAMPLES[name]() for name in filters} | {"ordering": order}
            rows = self.filters(samples, self.rows.using(connection.alias)).qs
            ordering = Order.of(order, self.view.orders[order])
            position = tuple(_POSITIONS[column]() for column in ordering.columns) if later else ()
            walk = splits.Walk(ordering.columns, ordering.descending, position, PAGE_DEFAULT + 1)
            split = getattr(rows, "split", None)
            if split is None:
                return from_queryset(walk.of(rows))(connection)
            return _asked(part, list(splits.parts(rows, split, walk)), connection)

        return statement


def _asked(part: Part, found: list[splits.Part], connection: BaseDatabaseWrapper) -> Statement:
    """Return the statement of one of the queries that together give a page."""
    if part is Part.MADE_BEFORE:
        # One of its searches, which are all alike.
        return Statement(*next(one.searches[0] for one in found if one.searches))
    walks = [one.rows for one in found if not one.searches]
    return from_queryset(walks[-1] if part is Part.OTHER_PRIORITIES else walks[0])(connection)


def _ago(**duration: int) -> str:
    return (timezone.now() - timedelta(**duration)).isoformat()


#: What each filter is asked with: values as clients send them, of those that not every second row has.
_SAMPLES: Final[Mapping[str, Callable[[], str]]] = {
    "status": lambda: "failed",
    "priority": lambda: "20",
    "created_after": lambda: _ago(days=7),
    "created_before": lambda: _ago(hours=1),
    "started_after": lambda: _ago(days=7),
    "completed_after": lambda: _ago(days=6),
    "type": lambda: "job_failed",
    "title": lambda: "Review",
    "title_prefix": lambda: "Re",
    "role": lambda: "moderator",
    "active": lambda: "false",
}
#: Where a later page begins, by the columns of the orders.
_POSITIONS: Final[Mapping[str, Callable[[], Any]]] = {
    "created_at": lambda: timezone.now() - timedelta(days=1),
    "id": lambda: UUID(int=0),
    "priority": lambda: 0,
    "title": lambda: "Review",
    "username": lambda: "m",
}

HOT_LISTS: Final = (
    HotList("jobs", JobViewSet, Job.objects.all(), _jobs),
    HotList("events", EventViewSet, Event.objects.all(), _events),
    HotList("tasks", TaskViewSet, Task.objects.all(), _tasks),
    HotList("users", UserViewSet, User.objects.all(), _users),
)
