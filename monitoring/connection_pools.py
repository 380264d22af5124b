"""The connection pools of all processes."""

import time
from collections import defaultdict
from typing import Any, Final

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from monitoring import prometheus

#: psycopg's names of our figures. psycopg leaves out those that are 0.
_FIGURES: Final = {
    "size": "pool_size",
    "available": "pool_available",
    "minimum": "pool_min",
    "maximum": "pool_max",
    "waiting": "requests_waiting",  # now
    "requests": "requests_num",
    "queued": "requests_queued",  # requests that had to wait
    "wait_ms": "requests_wait_ms",  # how long they waited together
    "errors": "requests_errors",  # requests that timed out
    "connection_errors": "connections_errors",  # failed attempts to connect
}

#: Seconds between two publications of a process's figures.
_PUBLISH_EVERY: Final = 1.0

_most_used: dict[str, int] = defaultdict(int)
_next_publication = 0.0


def observe() -> None:
    """Record how many connections this process uses, and publish that at most once a second.

    Called at the end of each request, while the request still has its connection, so that peaks are seen.
    """
    global _next_publication  # noqa: PLW0603 - one clock a process
    stats = {alias: pool.get_stats() for alias, pool in _own_pools().items()}
    for alias, pool in stats.items():
        _most_used[alias] = max(_most_used[alias], pool["pool_size"] - pool["pool_available"])
    if stats and time.monotonic() >= _next_publication:
        _next_publication = time.monotonic() + _PUBLISH_EVERY
        _publish(stats)


def bypass_exhausted_pool(connection: BaseDatabaseWrapper) -> None:
    """Let a thread connect without the pool if the pool is exhausted; its connection is not open yet.

    Otherwise a query about the database would wait behind the requests, and an exhausted pool would look like
    a database that does not respond.
    """
    pool = _own_pools().get(connection.alias)
    if pool is None:
        return
    stats = pool.get_stats()
    if stats["pool_available"] == 0 and stats["pool_size"] >= stats["pool_max"]:
        described = connection.settings_dict
        options = {name: value for name, value in described["OPTIONS"].items() if name != "pool"}
        connection.settings_dict = {**described, "OPTIONS": options}


def _own_pools() -> dict[str, Any]:
    """Return the pools of this process by alias."""
    if not any(database["ENGINE"].endswith("postgresql") for database in connections.settings.values()):
        return {}
    # Imported here: it loads the driver, which takes half as long as loading Django.
    from django.db.backends.postgresql import base  # noqa: PLC0415

    pools: dict[str, Any] = base.DatabaseWrapper._connection_pools  # type: ignore[attr-defined]  # noqa: SLF001 - there is no public API
    return pools


def _publish(stats: dict[str, dict[str, int]]) -> None:
    for alias, pool in stats.items():
        for figure, name in _FIGURES.items():
            prometheus.POOL.labels(alias, figure).set(pool.get(name, 0))
        prometheus.POOL.labels(alias, "most_used").set(_most_used[alias])


def figures() -> list[dict[str, Any]]:
    """Return the latest figures of all live processes, one row for each process and database.

    ``most_used`` is the most connections that were in use at the same time since the process started.
    """
    found: dict[tuple[int, str], dict[str, int]] = defaultdict(dict)
    for sample in prometheus.samples("kyros_db_pool"):
        labels = sample.labels
        found[int(labels["pid"]), labels["alias"]][labels["figure"]] = int(sample.value)
    return [_row(process, alias, found[process, alias]) for process, alias in sorted(found)]


def _row(process: int, alias: str, published: dict[str, int]) -> dict[str, Any]:
    known = {**dict.fromkeys((*_FIGURES, "most_used"), 0), **published}
    return {"process": process, "alias": alias, **known, "in_use": known["size"] - known["available"]}
