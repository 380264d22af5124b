"""What is monitored. The application registers it once, at start-up.

The monitoring itself knows no table, query, command or setting of the application.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal

from monitoring.cache_report import CacheHealth
from monitoring.findings import Finding
from monitoring.plan_checks import HotQuery, PlanCheck
from monitoring.readiness import CacheState
from monitoring.report_data import DatabaseReport
from monitoring.retention import Retention
from monitoring.timeouts import TimeBudget

#: Reads the report and yields what it finds.
Rule = Callable[[DatabaseReport], Iterator[Finding]]


@dataclass(frozen=True)
class AppMetric:
    """A metric of the application, for ``/metrics``.

    Args:
        kind: whether the value never decreases (``counter``).
        name: its name, without the ``_total`` of a counter.
        text: what it measures.
        labels: the labels' names.
        values: the values by the labels' values; None is left out.
    """

    kind: Literal["gauge", "counter"]
    name: str
    text: str
    labels: tuple[str, ...]
    values: Mapping[tuple[str, ...], float | None]


@dataclass(frozen=True)
class MonitoredTable:
    """A monitored table; without a retention its rows are kept for ever."""

    name: str
    retention: Retention | None = None


@dataclass(frozen=True, kw_only=True)
class MonitoredApp:
    """Everything that an application registers.

    Args:
        tables: the tables to measure.
        cache: returns the cache's health within the given time budget; never raises.
        cache_state: returns what a readiness probe says of the cache; never raises.
        rows: returns the exact row count by table, without counting.
        verify: counts the rows and returns ``table``, ``status``, ``queue``, ``counted`` and ``kept`` (the
            stored count) of each count; given True, corrects the stored counts. Slow.
        hot_queries: returns every hot query.
        query_plans: checks the plan of one hot query for each index, on the default database.
        kept_indexes: why an index stays although another one could replace it, by name.
        ttl_settings: the setting with the time to live, by group of cached responses.
        local_hosts: host names that only this machine can use.
        drain_outbox: the command that delivers invalidations that wait in the database.
        audit_cache: the command that compares cached responses with the database.
        explain_queries: the command that shows the plans of the hot queries.
        archive: the command that archives old rows of a table, with ``{table}`` for its name.
        partition: the command that makes partitions of a large table.
        figures: returns the application's own figures, which its metrics and rules read from the report. It
            runs as the section ``own_figures`` of the report, and queries the default database only within
            the context that its argument opens: a section's time limits, on PostgreSQL a transaction.
        metrics: makes the application's own metrics of these figures.
        rules: the application's own rules. A rule may query the default database. It runs as a section of
            the report, named like the function, with the time limits of a section.
    """

    tables: tuple[MonitoredTable, ...] = ()
    cache: Callable[[TimeBudget], CacheHealth] = lambda _budget: CacheHealth("disabled")
    cache_state: Callable[[], CacheState] = lambda: "disabled"
    rows: Callable[[], Mapping[str, int]] = dict
    verify: Callable[[bool], Sequence[Mapping[str, Any]]] = lambda _repair: ()
    hot_queries: Callable[[], Sequence[HotQuery]] = tuple
    query_plans: Callable[[], Sequence[PlanCheck]] = tuple
    kept_indexes: Callable[[], Mapping[str, str]] = dict
    ttl_settings: Mapping[str, str] = field(default_factory=dict)
    local_hosts: Sequence[str] = ()
    drain_outbox: str = ""
    audit_cache: str = ""
    explain_queries: str = ""
    archive: str = ""
    partition: str = ""
    figures: Callable[[Callable[[], AbstractContextManager[Any]]], Any] = lambda _limits: None
    metrics: Callable[[Any], Sequence[AppMetric]] = lambda _figures: ()
    rules: tuple[Rule, ...] = ()


_monitored_app = MonitoredApp()


def register(app: MonitoredApp) -> None:
    """Monitor this application from now on."""
    global _monitored_app  # noqa: PLW0603 - set once, while Django loads the applications
    _monitored_app = app


def monitored_app() -> MonitoredApp:
    """Return the registered application, or an empty one."""
    return _monitored_app
