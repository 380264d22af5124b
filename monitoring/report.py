"""Builds the database report. Each section has a time limit; if one fails, the others are still there."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeVar

from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from monitoring import (
    connection_pools,
    disk_space,
    engines,
    findings,
    index_usage,
    missing_indexes,
    query_stats,
    readiness,
    registry,
    replica_states,
    retention,
    rules,
    snapshots,
    table_statistics,
    task_runs,
)
from monitoring.cache_report import CacheHealth
from monitoring.findings import Finding
from monitoring.formatting import first_line
from monitoring.index_usage import IndexUsage
from monitoring.plan_checks import PlanCheck
from monitoring.registry import MonitoredApp, Rule
from monitoring.report_data import DatabaseReport
from monitoring.table_statistics import TableFigures
from monitoring.timeouts import UNRESPONSIVE_AFTER_SECONDS, BoundedCall, TimeBudget, TimeBudgetExceeded

#: Seconds that one section may take while the database is slow but responds.
_MAX_SECTION_SECONDS: Final = 3.0

#: Share of the report's time budget that the cache's health may use.
_CACHE_SHARE: Final = 0.75

#: In milliseconds. The server itself ends a query, or a wait for a lock, that takes longer.
_SERVER_TIMEOUTS: Final = "SET LOCAL statement_timeout = 400; SET LOCAL lock_timeout = 200"

logger = logging.getLogger(__name__)
T = TypeVar("T")

#: Opens a context with the time limits of one query, and returns the connection.
_Limits = Callable[[], AbstractContextManager[BaseDatabaseWrapper]]


def database_report(*, plans: bool = True, budget: TimeBudget | None = None) -> DatabaseReport:
    """Measure the database and the cache, and apply the rules.

    Args:
        plans: check the plans of the hot queries as well.
        budget: the time budget for servers that do not respond, if part of it is spent already.
    """
    app, budget = registry.monitored_app(), budget or TimeBudget()
    # In parallel: the cache's health needs the database too, so it gets less time than the report.
    cache = BoundedCall(partial(app.cache, TimeBudget(budget.left * _CACHE_SHARE)), "cache")
    sections = _Sections(budget)
    report = _measured(app, sections, partial(_cache_health, cache, budget), plans=plans)
    return _with_findings(report, sections)


def _measured(
    app: MonitoredApp, sections: "_Sections", cache_health: Callable[[], CacheHealth], *, plans: bool
) -> DatabaseReport:
    read, engine = sections.read, engines.of(connections[DEFAULT_DB_ALIAS])
    replicas = replica_states.measuring()
    names = [table.name for table in app.tables]
    kept = {table.name: table.retention for table in app.tables if table.retention}
    exact = read("rows", lambda _: app.rows(), {})
    measured = read("tables", lambda c: table_statistics.measure(c, names, exact), ())
    known = read("growth", lambda _: snapshots.with_history(measured), measured)
    checks = read("query_plans", lambda _: app.query_plans(), ()) if plans else ()
    own_statements = query_stats.slow_queries()
    return DatabaseReport(
        cache=cache_health(),
        tables=known,
        plans=checks,
        server=read("server", engine.server, {}),
        connections=read("connections", engine.connections, {}),
        pools=connection_pools.figures(),
        sessions=read("sessions", engine.sessions, ()),
        slow_queries=[*read("slow_queries", engine.statements, ()), *own_statements],
        suspects=query_stats.n_plus_one_suspects(),
        replication=read("replication", engine.replication, None),
        # What they wait for in vain leaves the time of the primary's sections as it is.
        replicas=replicas(read("primary", replica_states.primary, {}), TimeBudget(sections.seconds_left)),
        disk=read("disk", lambda c: disk_space.measure(c, known), None),
        expired=read("retention", lambda c: retention.expired(c, kept, known), ()),
        missing_indexes=read("missing_indexes", lambda c: missing_indexes.missing_indexes(c, known), ()),
        index_usage=read("index_usage", lambda _: _index_usage(app, checks, known), ()),
        background=read("background", lambda _: task_runs.figures(), ()),
        own_figures=sections.read_within("own_figures", app.figures, None),
    )


class _Sections:
    """Reads one section after the other, and none any more once the database has hung."""

    def __init__(self, budget: TimeBudget) -> None:
        self.errors: dict[str, str] = {}
        self._budget = budget
        self._hung: str | None = None

    @property
    def seconds_left(self) -> float:
        """How long the report may still wait for servers that do not respond."""
        return self._budget.left

    def read(self, name: str, query: Callable[[BaseDatabaseWrapper], Any], default: Any) -> Any:
        """Return the result of a section's query, or the default with an entry in ``errors``."""
        return self.read_within(name, partial(_with_limits, query), default)

    def read_within(self, name: str, section: Callable[[_Limits], Any], default: Any) -> Any:
        """Do as ``read`` does for a section that opens the query's time limits itself."""
        if self._hung:
            self.errors[name] = self._hung
            return default
        try:
            return _result(BoundedCall(partial(section, _server_limits)), self._budget)
        except TimeBudgetExceeded as error:
            self._hung = self.errors[name] = f"the database gave {error}"
        except (DatabaseError, InterfaceError) as error:
            # Only to the log: the server's message may contain its host name.
            logger.warning("Section %s of the report failed: %s", name, first_line(error))
            self.errors[name] = "the database refused this query"
        return default


def _result(call: BoundedCall[T], budget: TimeBudget) -> T:
    """Return a section's result; wait longer for a slow one as long as the database responds to others."""
    until = time.monotonic() + _MAX_SECTION_SECONDS
    while True:
        began = time.monotonic()
        try:
            return budget.result(call, UNRESPONSIVE_AFTER_SECONDS)
        except TimeBudgetExceeded:
            if began > until or not _is_alive(began, budget):
                raise


def _is_alive(since: float, budget: TimeBudget) -> bool:
    """Return whether the database has responded to this process, to a request or to a ping."""
    if not query_stats.responded_since(since):
        with suppress(TimeBudgetExceeded, DatabaseError, InterfaceError):
            budget.result(BoundedCall(readiness.ping))
    alive = query_stats.responded_since(since)
    if alive:
        budget.renew()
    return alive


def _with_limits(query: Callable[[BaseDatabaseWrapper], T], limits: _Limits) -> T:
    with limits() as connection:
        return query(connection)


@contextmanager
def _server_limits() -> Iterator[BaseDatabaseWrapper]:
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.vendor != "postgresql":  # on SQLite a transaction would wait for the writer
        yield connection
        return
    with transaction.atomic(using=connection.alias):
        with connection.cursor() as cursor:
            cursor.execute(_SERVER_TIMEOUTS)
        yield connection


def _cache_health(call: BoundedCall[CacheHealth], budget: TimeBudget) -> CacheHealth:
    try:
        return budget.result(call)
    except TimeBudgetExceeded as error:
        return CacheHealth("unhealthy", error=str(error))


def _index_usage(
    app: MonitoredApp, checks: Sequence[PlanCheck], tables: Sequence[TableFigures]
) -> tuple[IndexUsage, ...]:
    if not checks:  # without plans it is unknown which index serves which query
        return ()
    return index_usage.index_usage(checks, tables, reasons=app.kept_indexes(), queries=app.hot_queries())


def _with_findings(report: DatabaseReport, sections: _Sections) -> DatabaseReport:
    report = replace(report, errors=dict(sections.errors))
    known = sections.read("acknowledgements", lambda _: findings.acknowledgements(), {})
    found = [*rules.findings(report)]
    for rule in registry.monitored_app().rules:
        found += sections.read(rule.__name__, partial(_apply, rule, report), [])
    return replace(report, findings=findings.by_severity(found, known), errors=dict(sections.errors))


def _apply(rule: Rule, report: DatabaseReport, _: BaseDatabaseWrapper) -> list[Finding]:
    return list(rule(report))
