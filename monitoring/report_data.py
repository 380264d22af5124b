"""The values of the database report. The rules read them, the endpoint and the commands show them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from monitoring.cache_report import CacheHealth
from monitoring.connection_pools import PoolFigures
from monitoring.disk_space import Disk
from monitoring.findings import ABOUT_QUERIES, Finding
from monitoring.index_usage import IndexUsage
from monitoring.missing_indexes import MissingIndex
from monitoring.plan_checks import PlanCheck
from monitoring.retention import Expired
from monitoring.table_statistics import TableFigures

Figures = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class DatabaseReport:
    """The state of the database and of the cache, and the findings that follow from it.

    Args:
        cache: health of the cache.
        tables: size, use and growth of each monitored table.
        plans: one check of the query plan for each hot query.
        server: figures of the whole database server, or of the SQLite file.
        connections: connections of the server by state, and their limit.
        pools: connection pools, one for each process and database.
        sessions: sessions that run long, are blocked or idle in a transaction.
        slow_queries: statements with the largest total time.
        suspects: routes that may run one query for each row.
        replication: lag of each replica; None if this server is a replica or the engine has none.
        disk: free space; None if the database did not respond.
        expired: rows older than their table's retention.
        missing_indexes: indexes that a model declares and the database lacks.
        index_usage: use of each index, and whether it can be dropped.
        errors: why a section is missing, by the section's name.
        findings: problems and recommendations, the most severe first.
    """

    cache: CacheHealth
    tables: tuple[TableFigures, ...] = ()
    plans: tuple[PlanCheck, ...] = ()
    server: Figures = field(default_factory=dict)
    connections: Figures = field(default_factory=dict)
    pools: tuple[PoolFigures, ...] = ()
    sessions: tuple[Figures, ...] = ()
    slow_queries: tuple[Figures, ...] = ()
    suspects: tuple[Figures, ...] = ()
    replication: tuple[Figures, ...] | None = None
    disk: Disk | None = None
    expired: tuple[Expired, ...] = ()
    missing_indexes: tuple[MissingIndex, ...] = ()
    index_usage: tuple[IndexUsage, ...] = ()
    errors: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

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
            "index_upkeep": [usage.as_json() for usage in self.index_usage],
            "server": dict(self.server),
            "connections": {**self.connections, "pools": [pool.as_json() for pool in self.pools]},
            "sessions": list(self.sessions),
            "replication": None if self.replication is None else list(self.replication),
            "disk": self.disk and self.disk.as_json(),
            "slow_queries": list(self.slow_queries),
            "n_plus_one_suspects": list(self.suspects),
            "errors": dict(self.errors),
            "recommendations": [finding.as_json() for finding in self.findings],
            "query_optimization": [finding.as_json() for finding in about_queries],
        }
