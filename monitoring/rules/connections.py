"""Rules about connections and replicas."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from monitoring.findings import Finding

if TYPE_CHECKING:
    from monitoring.report import DatabaseReport

#: Share of the connections that may be in use.
_FULL: Final = 0.8

#: How far a replica may be behind.
_LAG_SECONDS: Final = 10
_LAG_BYTES: Final = 64 * 1024 * 1024


def silent(report: "DatabaseReport") -> Iterator[Finding]:
    """Find a database that does not answer."""
    if report.silent:
        yield Finding(
            "database:unreachable",
            "critical",
            "The database does not answer",
            {"errors": dict(report.errors)},
            "Start the server that DATABASE_URL names, then look again: python manage.py db_report",
        )


def near_limit(report: "DatabaseReport") -> Iterator[Finding]:
    """Find a server that has few connections left."""
    maximum, used = report.connections.get("maximum"), report.connections.get("in_use", 0)
    if maximum and used >= _FULL * maximum:
        yield Finding(
            "connections:limit",
            "critical",
            f"{used} of {maximum} connections are in use",
            {"in_use": used, "maximum": maximum, "idle": report.connections.get("idle")},
            f"ALTER SYSTEM SET max_connections = {2 * maximum};  -- then restart the server",
        )


def replicas(report: "DatabaseReport") -> Iterator[Finding]:
    """Find replicas that are far behind."""
    for replica in report.replication or ():
        seconds, size = replica["lag_seconds"] or 0, replica["lag_bytes"] or 0
        if seconds >= _LAG_SECONDS or size >= _LAG_BYTES:
            yield Finding(
                f"replica:lag:{replica['name']}",
                "warning",
                f"The replica {replica['name']} is behind",
                {"lag_seconds": replica["lag_seconds"], "lag_bytes": replica["lag_bytes"]},
                "SELECT * FROM pg_stat_replication;  -- then look at the load of the replica's disk",
            )
