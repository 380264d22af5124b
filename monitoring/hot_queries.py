"""Hot queries: those that must stay fast at any size, each with the index that must serve it.

Which they are is the application's to say; here each is held against what the planner
answers.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet

from monitoring import index_catalog
from monitoring.index_catalog import Index
from monitoring.plans import PRIMARY_KEY, Plan, Reader, Reading, Sort, Statement, reader

#: Rows from which a table is large enough for the planner's free choice to mean something.
LARGE_FROM: Final = 10_000

#: Seconds that one query may take, and all of them together.
SECONDS_A_QUERY: Final = 2.0
SECONDS_IN_ALL: Final = 60.0

#: The problem of a query that was not reached in time.
OUT_OF_TIME: Final = "not examined: out of time"


@dataclass(frozen=True)
class HotQuery:
    """A query, and how it has to be served.

    Args:
        name: what people call it.
        caller: what asks it.
        table: that it reads.
        statement: makes it, for a connection.
        index: that must be there, and must serve it.
        alternatives: indexes that may serve it as well, where the best one depends on the rows.
        conditions: columns whose conditions must bound what is read of the declared index.
        index_ordered: whether the index must give the order, all but that of rows equal in it.
        cost_grows_with: what its cost grows with, where that is not only the rows it gives; nothing where it is flat.
        engine: the only engine that it is asked on; nothing for every one.
    """

    name: str
    caller: str
    table: str
    statement: Callable[[BaseDatabaseWrapper], Statement]
    index: str
    alternatives: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    index_ordered: bool = True
    cost_grows_with: str = ""
    engine: str = ""


@dataclass(frozen=True)
class PlanCheck:
    """What the planner answered to a hot query.

    Args:
        hot: the query, with what was declared of it.
        plan: how it is served, or None where that could not be found out.
        problems: what is not as declared; none if all is.
        free: whether the planner chose freely, as for large tables; else it was asked whether it can.
    """

    hot: HotQuery
    plan: Plan | None
    problems: tuple[str, ...]
    free: bool

    @property
    def query(self) -> str:
        """Return the query's name."""
        return self.hot.name

    @property
    def index(self) -> str | None:
        """Return the index that was used, several joined, or None for none."""
        return (" + ".join(self.plan.indexes) or None) if self.plan else None

    @property
    def expected(self) -> str:
        """Return the index that must be used; where another will do as well and was used, that one."""
        return self.index if self.ok and self.index is not None else self.hot.index

    @property
    def ok(self) -> bool:
        """Tell whether the query is served as declared."""
        return not self.problems

    @property
    def ms(self) -> float | None:
        """Return the milliseconds that the query took where it was run, else those of its planning."""
        return None if self.plan is None or self.plan.ms is None else round(self.plan.ms, 3)


def from_queryset(rows: QuerySet[Any]) -> Callable[[BaseDatabaseWrapper], Statement]:
    """Return what makes the statement of a query set, for ``HotQuery``."""

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
    penalized: bool | None = None,
) -> tuple[PlanCheck, ...]:
    """Ask the planner about hot queries; nothing is locked or changed.

    Args:
        queries: those to ask about; what is asked only on another engine is left out.
        using: the database's alias.
        analyze: run them too, for their real times and rows.
        seconds: how long it may take; what was not reached by then is a problem of its own.
        penalized: ask whether the index can serve the query; by default so for small tables, while of large
            ones it is what the planner freely chooses that counts.

    Raises:
        UnknownEngineError: when the database's plans cannot be read.
        DatabaseError: when the database does not answer at all.
    """
    connection = connections[using]
    with reader(connection) as read:
        look = _Look(connection, read, _present(connection), analyze, time.monotonic() + seconds, penalized)
        return _all_examined(look, queries)


def examine_without(
    index: Index, queries: Iterable[HotQuery], using: str = "default"
) -> tuple[PlanCheck, ...]:
    """Ask the planner about hot queries as if an index were not there; it stays, and nobody has to wait.

    SQLite plans on a copy that has the file's statistics, as it would choose without the index. PostgreSQL
    plans on an empty table beside the real one, and tells whether another index can serve.

    Args:
        index: the index.
        queries: those to ask about.
        using: the database's alias.

    Raises:
        UnknownEngineError: when the database's plans cannot be read.
        DatabaseError: when the database does not answer, or is a replica, where nothing can be tried.
    """
    connection = connections[using]
    with reader(connection, index) as read:
        present = {name: other for name, other in _present(connection).items() if other != index}
        look = _Look(connection, read, present, until=time.monotonic() + SECONDS_IN_ALL)
        return _all_examined(look, queries)


@dataclass(frozen=True)
class _Look:
    """How queries are examined: ``read`` reads plans, ``present`` are the indexes by table and name."""

    connection: BaseDatabaseWrapper
    read: Reader
    present: Mapping[tuple[str, str], Index]
    analyze: bool = False
    until: float = 0.0
    penalized: bool | None = None


def _present(connection: BaseDatabaseWrapper) -> dict[tuple[str, str], Index]:
    return {(index.table, index.name): index for index in index_catalog.present(connection)}


def _all_examined(look: _Look, queries: Iterable[HotQuery]) -> tuple[PlanCheck, ...]:
    asked = [query for query in queries if query.engine in ("", look.connection.vendor)]
    large = {table for table in {query.table for query in asked} if _is_large(look.connection, table)}

    def examined(query: HotQuery) -> PlanCheck:
        free = query.table in large if look.penalized is None else not look.penalized
        left = min(SECONDS_A_QUERY, look.until - time.monotonic())
        return _examined(look, query, Reading(look.analyze, not free, left))

    return tuple(examined(query) for query in asked)


def _is_large(connection: BaseDatabaseWrapper, table: str) -> bool:
    rows = index_catalog.estimated_rows(connection, table)
    return rows is not None and rows >= LARGE_FROM


def _examined(look: _Look, query: HotQuery, reading: Reading) -> PlanCheck:
    free = not reading.penalized
    if reading.seconds <= 0:
        return PlanCheck(query, None, (OUT_OF_TIME,), free)
    try:
        plan = look.read(query.statement(look.connection), reading)
    except DatabaseError as error:
        return PlanCheck(query, None, (f"no plan: {_first_line(error)}",), free)
    problems = (*_lacks(query, look.present), *_differences(query, plan, look.present, free=free))
    return PlanCheck(query, plan, problems, free)


def _lacks(query: HotQuery, present: Mapping[tuple[str, str], Index]) -> Iterator[str]:
    """Yield what is wrong with the index itself."""
    index = present.get((query.table, query.index))
    if index is None and query.index != PRIMARY_KEY:
        yield f"{query.index} is not there"
    elif index is not None and not index.valid:
        yield f"{query.index} is invalid"


def _differences(
    query: HotQuery, plan: Plan, present: Mapping[tuple[str, str], Index], *, free: bool
) -> Iterator[str]:
    """Yield in what a plan is not the declared one."""
    if not plan.indexes or plan.avoidable:
        yield "no index serves it"
        return
    if free and plan.sort is Sort.FEW and not plan.full_scan:
        return  # the planner knows the rows to be few: any bounded way to them is as good
    allowed = {query.index, *query.alternatives}
    if not free:
        # All ways into a small table cost the same: that it is bounded is what counts.
        allowed |= _alike(query, present)
    if not allowed.issuperset(plan.indexes):
        yield f"served by {' + '.join(plan.indexes)}"
    missing = [column for column in query.conditions if column not in plan.conditions]
    declared = query.index in plan.indexes or not query.alternatives
    if missing and (declared if free else len(missing) == len(query.conditions)):
        yield f"not bounded by {', '.join(missing)}"
    if free and query.index_ordered and plan.sort is Sort.FULL:
        yield "sorted after it was read"


def _alike(query: HotQuery, present: Mapping[tuple[str, str], Index]) -> set[str]:
    """Return the indexes that begin as the declared one does, or with a column that has to bound it."""
    declared = present.get((query.table, query.index))
    first = {*query.conditions, *(declared.columns[:1] if declared else ())}
    return {
        index.name
        for (table, _), index in present.items()
        if table == query.table and first.intersection(index.columns[:1])
    }


def _first_line(error: DatabaseError) -> str:
    return str(error).strip().partition("\n")[0]
