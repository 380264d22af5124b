"""The values of the database report. The rules read them, the endpoint and the commands show them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from monitoring.cache_report import CacheHealth
from monitoring.disk_space import Disk
from monitoring.findings import ABOUT_QUERIES, Finding
from monitoring.index_usage import IndexUsage
from monitoring.missing_indexes import MissingIndex
from monitoring.plan_checks import PlanCheck
from monitoring.retention import Expired
from monitoring.table_statistics import TableFigures
from monitoring.task_runs import TaskFigures

Figures = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class DatabaseReport:
    """The state of the database and of the cache, and the findings that follow from it.

    Args:
        plans: one check of the query plan for each hot query.
        server: figures of the whole database server, or of the SQLite file.
        connections: connections of the server by state, and their limit.
        pools: connection pools, one for each process and database.
        sessions: sessions that run long, are blocked or idle in a transaction.
        slow_queries: statements with the largest total time.
        suspects: routes that may run one query for each row.
        replication: lag of each replica; None if this server is a replica or the engine has none.
        replicas: state and use of each replica that the settings name.
        disk: None if the database did not respond.
        background: what the background tasks did; empty if the database did not respond.
        own_figures: the application's own; None if it has none or the database did not respond.
        errors: why a section is missing, by the section's name.
        findings: the most severe first.
    """

    cache: CacheHealth
    tables: Sequence[TableFigures] = ()
    plans: Sequence[PlanCheck] = ()
    server: Figures = field(default_factory=dict)
    connections: Figures = field(default_factory=dict)
    pools: Sequence[Figures] = ()
    sessions: Sequence[Figures] = ()
    slow_queries: Sequence[Figures] = ()
    suspects: Sequence[Figures] = ()
    replication: Sequence[Figures] | None = None
    replicas: Sequence[Figures] = ()
    disk: Disk | None = None
    expired: Sequence[Expired] = ()
    missing_indexes: Sequence[MissingIndex] = ()
    index_usage: Sequence[IndexUsage] = ()
    background: Sequence[TaskFigures] = ()
    own_figures: Any = None
    errors: Mapping[str, str] = field(default_factory=dict)
    findings: Sequence[Finding] = ()

    @property
    def database_down(self) -> bool:
        """Return whether the database does not respond at all."""
        return "server" in self.errors

    def as_json(self) -> dict[str, Any]:
        """Return the report as the endpoint shows it."""
        about_queries = (finding for finding in self.findings if finding.id.startswith(ABOUT_QUERIES))
        return {
            "table_statistics": {table.name: table.as_json() for table in self.tables},
            "cache_status": self.cache.as_json(),
            "query_plans": [plan.as_json() for plan in self.plans],
            "index_usage": [usage.as_json() for usage in self.index_usage],
            "server": dict(self.server),
            "connections": {**self.connections, "pools": self.pools},
            "sessions": self.sessions,
            "replication": self.replication,
            "replicas": self.replicas,
            "disk": self.disk and self.disk.as_json(),
            "slow_queries": self.slow_queries,
            "n_plus_one_suspects": self.suspects,
            "background_tasks": [task.as_json() for task in self.background],
            "errors": dict(self.errors),
            "recommendations": [finding.as_json() for finding in self.findings],
            "query_optimization": [finding.as_json() for finding in about_queries],
        }
