"""Hot queries: those that must stay fast at any size, each with the index that must serve it.

The application declares them. ``examine`` compares each declaration with the planner's choice.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet

from monitoring import engines, index_catalog
from monitoring.formatting import first_line
from monitoring.index_catalog import Index
from monitoring.plans import PRIMARY_KEY, Plan, Reading, Sort, Statement, reader

#: From this many rows on the planner's free choice is compared with the declaration.
LARGE_FROM: Final = 10_000

#: Time limits for one query and for all of them.
SECONDS_A_QUERY: Final = 2.0
SECONDS_IN_ALL: Final = 60.0

#: The problem of a query whose plan reads the whole table, or sorts it, for want of an index.
NOT_SERVED: Final = "no index serves it"

#: The problem of a query that the time limit did not reach.
OUT_OF_TIME: Final = "not examined: out of time"


@dataclass(frozen=True, kw_only=True)
class HotQuery:
    """A query and how it has to be served.

    Args:
        caller: the endpoint, page or command that runs it.
        statement: returns the SQL for a connection.
        index: the index that must exist and serve it.
        alternatives: indexes that may serve it as well, where the best one depends on the rows.
        conditions: columns whose conditions must bound the range that is read of the declared index.
        engine: the only engine that runs it; "" for every one.
    """

    name: str
    caller: str
    table: str
    statement: Callable[[BaseDatabaseWrapper], Statement]
    index: str
    alternatives: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    engine: str = ""


@dataclass(frozen=True)
class PlanCheck:
    """The plan of a hot query compared with its declaration.

    Args:
        hot: the query and its declaration.
        plan: its plan; None if it could not be read.
        problems: how the plan differs from the declaration; empty if it does not.
        free: whether the planner chose freely, as for large tables; False if it had to avoid full scans.
        note: how the plan differs where that is no problem, because the table has too few rows to tell.
    """

    hot: HotQuery
    plan: Plan | None
    problems: tuple[str, ...]
    free: bool
    note: str = ""

    @property
    def query(self) -> str:
        """Return the query's name."""
        return self.hot.name

    @property
    def index(self) -> str | None:
        """Return the index that was used, several joined with ``+``, or None."""
        return (" + ".join(self.plan.indexes) or None) if self.plan else None

    @property
    def expected(self) -> str:
        """Return the index that must be used; if an allowed alternative was used, that one."""
        as_declared = self.ok and not self.note
        return self.index if as_declared and self.index is not None else self.hot.index

    @property
    def ok(self) -> bool:
        """Return whether the query is served as declared."""
        return not self.problems

    @property
    def ms(self) -> float | None:
        """Return the milliseconds of the query if it was run, else those of planning it."""
        return round(self.plan.ms, 3) if self.plan else None

    def as_json(self) -> dict[str, Any]:
        """Return the check as the endpoint shows it."""
        return {name: getattr(self, name) for name in ("query", "index", "expected", "ok", "ms")}


def from_queryset(rows: QuerySet[Any]) -> Callable[[BaseDatabaseWrapper], Statement]:
    """Return a ``HotQuery.statement`` that compiles a queryset."""

    def statement(connection: BaseDatabaseWrapper) -> Statement:
        sql, parameters = rows.using(connection.alias).query.get_compiler(connection=connection).as_sql()
        return Statement(sql, parameters)

    return statement


def examine(
    queries: Iterable[HotQuery],
    using: str = "default",
    *,
    analyze: bool = False,
    seconds: float = SECONDS_IN_ALL,
    without: Index | None = None,
) -> tuple[PlanCheck, ...]:
    """Check the plans of hot queries. Nothing is locked or changed.

    For a large table the planner's free choice is checked. A small one is cheapest to read whole, so the
    planner is made to avoid full scans there, which shows if the index *can* serve the query. If the small
    table was analyzed, other indexes may cost the same or less: then another index is a note, no problem.

    Args:
        queries: the queries; those of another engine are left out.
        using: alias of the database.
        analyze: run them too, for their real times and rows.
        seconds: time limit; a query that is not reached has ``OUT_OF_TIME`` as its problem.
        without: plan as if this index did not exist. SQLite plans on a copy of the schema with the file's
            statistics: this is the plan it would choose. PostgreSQL plans on an empty table beside the real
            one: this shows whether another index can serve.

    Raises:
        DatabaseError: if the database does not respond, or is a replica and has to plan without an index.
    """
    connection, until = connections[using], time.monotonic() + seconds
    checked = [query for query in queries if query.engine in ("", connection.vendor)]
    with reader(connection, without) as read:
        indexes = index_catalog.existing_indexes(connection)
        present = {(index.table, index.name): index for index in indexes if index != without}
        estimates = engines.of(connection).estimated_rows(
            connection, list({query.table for query in checked})
        )

        def check(query: HotQuery) -> PlanCheck:
            free = (estimates.get(query.table) or 0) >= LARGE_FROM
            left = min(SECONDS_A_QUERY, until - time.monotonic())
            if left <= 0:
                return PlanCheck(query, None, (OUT_OF_TIME,), free)
            try:
                plan = read(query.statement(connection), Reading(analyze, not free, left))
            except DatabaseError as error:
                problems = (*_index_problems(query, present), f"no plan: {first_line(error)}")
                return PlanCheck(query, None, problems, free)
            may_differ = not free and estimates.get(query.table) is not None and without is None
            return _judged(query, plan, present, free=free, may_differ=may_differ)

        return tuple(check(query) for query in checked)


def _judged(
    query: HotQuery, plan: Plan, present: Mapping[tuple[str, str], Index], *, free: bool, may_differ: bool
) -> PlanCheck:
    """Compare a plan with the declaration; if it may differ, another index that serves is only a note."""
    missing = tuple(_index_problems(query, present))
    problems = tuple(_plan_problems(query, plan, present, free=free))
    if problems and may_differ and NOT_SERVED not in problems:
        return PlanCheck(query, plan, missing, free, f"too few rows to tell: {', '.join(problems)}")
    return PlanCheck(query, plan, (*missing, *problems), free)


def _index_problems(query: HotQuery, present: Mapping[tuple[str, str], Index]) -> Iterator[str]:
    """Yield what is wrong with the declared index itself."""
    index = present.get((query.table, query.index))
    if index is None and query.index != PRIMARY_KEY:
        yield f"{query.index} does not exist"
    elif index is not None and not index.valid:
        yield f"{query.index} is invalid"


def _plan_problems(
    query: HotQuery, plan: Plan, present: Mapping[tuple[str, str], Index], *, free: bool
) -> Iterator[str]:
    """Yield how a plan differs from the declaration."""
    if not plan.indexes or plan.uses_disabled_node:
        yield NOT_SERVED
        return
    if free and plan.sort is Sort.FEW and not plan.full_scan:
        return  # the planner expects few rows: any bounded access path is as good
    allowed = {query.index, *query.alternatives}
    if not free:
        # On a small table all indexes cost the same: what counts is that the range is bounded.
        allowed |= _similar(query, present)
    if not allowed.issuperset(plan.indexes):
        yield f"served by {' + '.join(plan.indexes)}"
    missing = [column for column in query.conditions if column not in plan.conditions]
    declared = query.index in plan.indexes or not query.alternatives
    if missing and (declared if free else len(missing) == len(query.conditions)):
        yield f"not bounded by {', '.join(missing)}"
    if free and plan.sort is Sort.FULL:
        yield "sorted after it was read"


def _similar(query: HotQuery, present: Mapping[tuple[str, str], Index]) -> set[str]:
    """Return indexes whose first column is that of the declared one, or has one of the conditions."""
    declared = present.get((query.table, query.index))
    first = {*query.conditions, *(declared.columns[:1] if declared else ())}
    return {
        index.name
        for (table, _), index in present.items()
        if table == query.table and first.intersection(index.columns[:1])
    }
