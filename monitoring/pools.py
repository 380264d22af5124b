"""The connection pools of all processes."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final

from django.db.backends.postgresql import base

from monitoring import instruments

#: What is told of a pool, by the name that psycopg gives it; what it leaves out is 0.
_FIGURES: Final = {
    "size": "pool_size",
    "available": "pool_available",
    "maximum": "pool_max",
    "waiting": "requests_waiting",
    "requests": "requests_num",
    "queued": "requests_queued",
    "wait_ms": "requests_wait_ms",
    "errors": "requests_errors",
    "connection_errors": "connections_errors",
}


@dataclass(frozen=True)
class PoolFigures:
    """The pool of one process to one database.

    Args:
        size: connections it has open, ``available`` of them idle.
        maximum: as many as it opens.
        waiting: requests that wait for a connection now.
        queued: requests that ever had to wait, for ``wait_ms`` milliseconds in all.
        errors: requests that did not get one in time.
    """

    process: int
    alias: str
    size: int = 0
    available: int = 0
    maximum: int = 0
    waiting: int = 0
    requests: int = 0
    queued: int = 0
    wait_ms: int = 0
    errors: int = 0
    connection_errors: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the pool as the endpoint shows it."""
        return {**vars(self), "in_use": self.size - self.available}


def publish() -> None:
    """Tell the figures of this process's pools to whoever asks any process."""
    pools: dict[str, Any] = base.DatabaseWrapper._connection_pools  # type: ignore[attr-defined]  # noqa: SLF001 - no other door
    for alias, pool in pools.items():
        stats = pool.get_stats()
        for figure, name in _FIGURES.items():
            instruments.POOL.labels(alias, figure).set(stats.get(name, 0))


def figures() -> tuple[PoolFigures, ...]:
    """Return the figures that the living processes told last."""
    found: dict[tuple[int, str], dict[str, int]] = defaultdict(dict)
    for metric in instruments.collected():
        if metric.name == "kyros_db_pool":
            for sample in metric.samples:
                labels = sample.labels
                found[int(labels["pid"]), labels["alias"]][labels["figure"]] = int(sample.value)
    return tuple(
        PoolFigures(process, alias, **figures) for (process, alias), figures in sorted(found.items())
    )
