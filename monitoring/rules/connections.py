"""Rules about connections and replicas."""

from collections.abc import Iterator
from typing import Final

from monitoring.findings import Finding
from monitoring.report_data import DatabaseReport

#: Share of the server's connections from which it is nearly full.
_NEARLY_FULL: Final = 0.8

#: A replica's lag from which it is reported.
_MAX_LAG_SECONDS: Final = 10
_MAX_LAG_BYTES: Final = 64 * 1024 * 1024


def database_down(report: DatabaseReport) -> Iterator[Finding]:
    """Find a database that does not respond."""
    if report.database_down:
        yield Finding(
            "database:unreachable",
            "critical",
            "The database does not respond",
            {"errors": dict(report.errors)},
            "Start the server that DATABASE_URL names, then check: python manage.py db_report",
        )


def near_limit(report: DatabaseReport) -> Iterator[Finding]:
    """Find a server with few connections left."""
    maximum, used = report.connections.get("maximum"), report.connections.get("in_use", 0)
    if maximum and used >= _NEARLY_FULL * maximum:
        yield Finding(
            "connections:limit",
            "critical",
            f"{used} of {maximum} connections are in use",
            {"in_use": used, "maximum": maximum, "idle": report.connections.get("idle")},
            f"ALTER SYSTEM SET max_connections = {2 * maximum};  -- then restart the server",
        )


def replicas(report: DatabaseReport) -> Iterator[Finding]:
    """Find replicas that lag far behind."""
    for replica in report.replication or ():
        seconds, size = replica["lag_seconds"] or 0, replica["lag_bytes"] or 0
        if seconds >= _MAX_LAG_SECONDS or size >= _MAX_LAG_BYTES:
            yield Finding(
                f"replica:lag:{replica['name']}",
                "warning",
                f"The replica {replica['name']} lags behind",
                {"lag_seconds": replica["lag_seconds"], "lag_bytes": replica["lag_bytes"]},
                "SELECT * FROM pg_stat_replication;  -- then check the load of the replica's disk",
            )


def replicas_of_settings(report: DatabaseReport) -> Iterator[Finding]:
    """Find replicas that the settings name and that no read can use."""
    for replica in report.replicas:
        alias = replica["alias"]
        evidence = {name: value for name, value in replica.items() if name != "alias"}
        if not replica["responds"]:
            yield Finding(
                f"replica:unreachable:{alias}",
                "warning",
                f"{alias} does not respond; the primary serves its reads",
                evidence,
                f"Start the server that is {_number(alias)} in DATABASE_REPLICA_URLS",
            )
        elif replica["follows"] is False:
            yield Finding(
                f"replica:unrelated:{alias}",
                "warning",
                f"{alias} is no replica of this primary, or has not replayed its last failover yet",
                evidence,
                "CHECKPOINT;  -- on the replica; if that does not help, build it anew: pg_basebackup -R",
            )
        elif replica["paused"] or (replica["lag_bytes"] or 0) >= _MAX_LAG_BYTES:
            yield Finding(
                f"replica:behind:{alias}",
                "warning",
                f"{alias} is behind; the primary serves its reads",
                evidence,
                "SELECT pg_wal_replay_resume();  -- on the replica"
                if replica["paused"]
                else "SELECT * FROM pg_stat_replication;  -- on the primary",
            )


def _number(alias: str) -> str:
    return f"number {alias.removeprefix('replica')}"
