"""What the cache server reports about itself, what all processes counted, and what waits in the outbox."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from django.db import DEFAULT_DB_ALIAS, connections

from orchestrator.cache import client, metrics, outbox
from orchestrator.cache.client import RedisCacheClient
from orchestrator.cache.interface import CacheUnavailable
from orchestrator.cache.metrics import Counts


@dataclass(frozen=True)
class Measured:
    """One measurement of the cache server.

    Args:
        info: the reply to ``INFO``.
        latency_seconds: how long a ping took.
        counts: of all processes.
    """

    info: Mapping[str, Any]
    latency_seconds: float
    counts: Counts


@dataclass(frozen=True)
class Backlog:
    """The outbox: its rows, counted up to a bound, and the age in seconds of the oldest."""

    rows: int
    oldest_seconds: float
    complete: bool


def reachable() -> Literal["up", "down", "disabled"]:
    """Return whether the cache server answers now; a frozen one costs the time-out of one call."""
    current = client.current()
    if not current.enabled:
        return "disabled"
    try:
        current.call(lambda client: client.ping())
    except CacheUnavailable:
        return "down"
    return "up"


def measure(current: RedisCacheClient) -> Measured:
    """Measure the cache server.

    Raises:
        CacheUnavailable: when the server does not answer.
    """
    started = time.perf_counter()
    current.call(lambda client: client.ping())
    latency = time.perf_counter() - started
    info = current.call(lambda client: client.info("everything"))
    metrics.note_evictions(current, int(info["evicted_keys"]))
    return Measured(info, latency, metrics.read(current))


def backlog() -> Backlog | None:
    """Return what waits in the outbox; None before the migration that creates it.

    Raises:
        DatabaseError, InterfaceError: when the database does not answer.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    if not outbox.exists(connection):
        return None
    rows, seconds = outbox.backlog(connection)
    return Backlog(rows, seconds, complete=rows < outbox.COUNTED_AT_MOST)
