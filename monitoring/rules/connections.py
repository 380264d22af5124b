"""Rules about connections, pools and replicas."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from django.conf import settings

from monitoring.findings import Finding

if TYPE_CHECKING:
    from monitoring.report import DatabaseReport

#: Share of the connections that may be in use, and share of requests that may wait for one.
_FULL: Final = 0.8
_WAITING_SHARE: Final = 0.01
_REQUESTS_FROM: Final = 1000

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


def too_many(report: "DatabaseReport") -> Iterator[Finding]:
    """Find pools that together want more connections than the server gives."""
    maximum, pool = report.connections.get("maximum"), settings.DB_POOL_MAX_SIZE
    workers = settings.WEB_WORKERS or os.cpu_count() or 1
    # Each database is a server of its own: its pools are those of the workers to it.
    if maximum and pool and workers * pool > maximum:
        yield Finding(
            "connections:pools",
            "warning",
            "The workers' pools together may open more connections than the server gives",
            {"workers": workers, "DB_POOL_MAX_SIZE": pool, "maximum": maximum},
            f"DB_POOL_MAX_SIZE={max(1, maximum // workers)}",
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


def waiting(report: "DatabaseReport") -> Iterator[Finding]:
    """Find pools that are too small for the requests they serve."""
    for alias in sorted({pool.alias for pool in report.pools}):
        pools = [pool for pool in report.pools if pool.alias == alias]
        asked, queued = sum(pool.requests for pool in pools), sum(pool.queued for pool in pools)
        errors = sum(pool.errors for pool in pools)
        if errors or (asked >= _REQUESTS_FROM and queued >= _WAITING_SHARE * asked):
            yield Finding(
                f"connections:waiting:{alias}",
                "warning",
                f"Requests wait for a connection to {alias}",
                {
                    "requests": asked,
                    "waited": queued,
                    "wait_ms": sum(pool.wait_ms for pool in pools),
                    "errors": errors,
                },
                f"DB_POOL_MAX_SIZE={2 * settings.DB_POOL_MAX_SIZE}",
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
