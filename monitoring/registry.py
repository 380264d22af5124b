"""What is monitored. The application registers it once, at start-up.

The monitoring itself knows no table, query, command or setting of the application.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from monitoring.cache_report import CacheHealth, no_cache
from monitoring.findings import Finding
from monitoring.plan_checks import HotQuery, PlanCheck
from monitoring.report_data import DatabaseReport
from monitoring.retention import Retention
from monitoring.timeouts import TimeBudget

#: Reads the report and yields what it finds.
Rule = Callable[[DatabaseReport], Iterator[Finding]]


class VerifiedRows(Protocol):
    """The kept row count of a table beside the counted one."""

    @property
    def table(self) -> str:
        """Return the table's name."""

    @property
    def status(self) -> str:
        """Return the status that the rows have; "" for all rows of the table."""

    @property
    def kept(self) -> int:
        """Return the kept number."""

    @property
    def counted(self) -> int:
        """Return the counted number."""


@dataclass(frozen=True)
class Partitioning:
    """When partitions are recommended.

    Args:
        column: the timestamp to partition by.
        min_rows: they are recommended for a table with more rows.
    """

    column: str
    min_rows: int


@dataclass(frozen=True)
class MonitoredTable:
    """A monitored table.

    Args:
        name: in the database.
        retention: how long its rows are kept; None: for ever.
        partitioning: when to recommend partitions; None: never.
    """

    name: str
    retention: Retention | None = None
    partitioning: Partitioning | None = None


@dataclass(frozen=True, kw_only=True)
class Actions:
    """What findings tell an operator to do where the application has commands of its own.

    Args:
        drain_outbox: deliver invalidations that wait in the database.
        audit_cache: compare cached responses with the database.
        explain_queries: show the plans of the hot queries.
    """

    drain_outbox: str = "Start the process that drains the outbox"
    audit_cache: str = "REDIS_URL=none"
    explain_queries: str = "Run EXPLAIN on the hot queries"


@dataclass(frozen=True, kw_only=True)
class MonitoredApp:
    """Everything that an application registers.

    Args:
        tables: the tables to measure.
        cache: returns the cache's health within the given time budget; never raises.
        rows: returns the exact row count by table, without counting.
        verify: counts the rows and compares them with the kept counts; given True, corrects these. Slow.
        hot_queries: returns every hot query.
        query_plans: checks the plan of one hot query for each index, on the default database.
        kept_indexes: why an index stays although another one could replace it, by name.
        ttl_settings: the setting with the time to live, by group of cached responses.
        local_hosts: host names that only this machine can use.
        actions: the application's own commands.
        rules: the application's own rules. A rule may query the default database. It runs as a section of
            the report, named like the function, with the time limits of a section.
    """

    tables: tuple[MonitoredTable, ...] = ()
    cache: Callable[[TimeBudget], CacheHealth] = lambda _budget: no_cache()
    rows: Callable[[], Mapping[str, int]] = dict
    verify: Callable[[bool], Sequence[VerifiedRows]] = lambda _repair: ()
    hot_queries: Callable[[], Sequence[HotQuery]] = tuple
    query_plans: Callable[[], Sequence[PlanCheck]] = tuple
    kept_indexes: Callable[[], Mapping[str, str]] = dict
    ttl_settings: Mapping[str, str] = field(default_factory=dict)
    local_hosts: Sequence[str] = ()
    actions: Actions = Actions()
    rules: tuple[Rule, ...] = ()


_monitored_app = MonitoredApp()


def register(app: MonitoredApp) -> None:
    """Monitor this application from now on."""
    global _monitored_app  # noqa: PLW0603 - set once, while Django loads the applications
    _monitored_app = app


def monitored_app() -> MonitoredApp:
    """Return the registered application, or an empty one."""
    return _monitored_app
