"""The connection pools of all processes."""

import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from monitoring import prometheus

#: What is told of a pool, by the name that psycopg gives it; what it leaves out is 0.
_FIGURES: Final = {
    "size": "pool_size",
    "available": "pool_available",
    "minimum": "pool_min",
    "maximum": "pool_max",
    "waiting": "requests_waiting",
    "requests": "requests_num",
    "queued": "requests_queued",
    "wait_ms": "requests_wait_ms",
    "errors": "requests_errors",
    "connection_errors": "connections_errors",
}

#: Seconds between two tellings of one process.
_TOLD_EVERY: Final = 1.0

_most_used: dict[str, int] = defaultdict(int)
_next_telling = 0.0


@dataclass(frozen=True)
class PoolFigures:
    """The pool of one process to one database.

    Args:
        size: connections it has open, ``available`` of them idle.
        minimum: connections that it keeps open even if nobody uses them.
        maximum: as many as it opens.
        most_used: connections that were in use at once, at most, since the process began.
        waiting: requests that wait for a connection now.
        queued: requests that ever had to wait, for ``wait_ms`` milliseconds in all.
        errors: requests that did not get one in time.
    """

    process: int
    alias: str
    size: int = 0
    available: int = 0
    minimum: int = 0
    maximum: int = 0
    most_used: int = 0
    waiting: int = 0
    requests: int = 0
    queued: int = 0
    wait_ms: int = 0
    errors: int = 0
    connection_errors: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the pool as the endpoint shows it."""
        return {**vars(self), "in_use": self.size - self.available}


def observe() -> None:
    """Note how many connections this process uses, and tell it, once a second, to whoever asks any process.

    Called at the end of each request, which still has its connection: no use of several at once goes unseen.
    """
    global _next_telling  # noqa: PLW0603 - one clock a process
    stats = {alias: pool.get_stats() for alias, pool in _own_pools().items()}
    for alias, pool in stats.items():
        _most_used[alias] = max(_most_used[alias], pool["pool_size"] - pool["pool_available"])
    if stats and time.monotonic() >= _next_telling:
        _next_telling = time.monotonic() + _TOLD_EVERY
        _publish(stats)


def bypass_exhausted_pool(connection: BaseDatabaseWrapper) -> None:
    """Let a thread connect by itself where the pool has nothing to lend.

    What is asked about a database must not wait behind the requests that it is asked about: it would take a
    pool that is too small for a database that is silent.

    Args:
        connection: the thread's own, not open yet.
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
    """Return the pools of this process by their databases' aliases."""
    if not any(database["ENGINE"].endswith("postgresql") for database in connections.settings.values()):
        return {}
    # Imported here: it loads the driver, which takes as long as half of Django.
    from django.db.backends.postgresql import base  # noqa: PLC0415

    pools: dict[str, Any] = base.DatabaseWrapper._connection_pools  # type: ignore[attr-defined]  # noqa: SLF001 - no other door
    return pools


def _publish(stats: dict[str, dict[str, int]]) -> None:
    for alias, pool in stats.items():
        for figure, name in _FIGURES.items():
            prometheus.POOL.labels(alias, figure).set(pool.get(name, 0))
        prometheus.POOL.labels(alias, "most_used").set(_most_used[alias])


def figures() -> tuple[PoolFigures, ...]:
    """Return the figures that the living processes told last."""
    found: dict[tuple[int, str], dict[str, int]] = defaultdict(dict)
    for metric in prometheus.collected():
        if metric.name == "kyros_db_pool":
            for sample in metric.samples:
                labels = sample.labels
                found[int(labels["pid"]), labels["alias"]][labels["figure"]] = int(sample.value)
    return tuple(
        PoolFigures(process, alias, **figures) for (process, alias), figures in sorted(found.items())
    )
