"""Measurements of the cache server and of the outbox."""

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
class ServerMeasurement:
    """One measurement of the cache server.

    Args:
        info: the reply to ``INFO``.
        latency_seconds: how long a ``PING`` took.
        counts: the counters of all processes.
    """

    info: Mapping[str, Any]
    latency_seconds: float
    counts: Counts


@dataclass(frozen=True)
class OutboxBacklog:
    """The rows in the outbox.

    Args:
        rows: their number, up to ``outbox.MAX_ROWS_COUNTED``.
        oldest_seconds: the age of the oldest.
        complete: whether all rows were counted.
    """

    rows: int
    oldest_seconds: float
    complete: bool


def reachable() -> Literal["up", "down", "disabled"]:
    """Return whether the cache server responds; a frozen one costs the time-out of one call."""
    cache = client.current()
    if not cache.enabled:
        return "disabled"
    try:
        cache.call(lambda redis_client: redis_client.ping())
    except CacheUnavailable:
        return "down"
    return "up"


def measure_server(cache: RedisCacheClient) -> ServerMeasurement:
    """Measure the cache server.

    Raises:
        CacheUnavailable: when the server does not respond.
    """
    started = time.perf_counter()
    cache.call(lambda redis_client: redis_client.ping())
    latency = time.perf_counter() - started
    info = cache.call(lambda redis_client: redis_client.info("everything"))
    metrics.note_evictions(cache, int(info["evicted_keys"]))
    return ServerMeasurement(info, latency, metrics.read(cache))


def measure_outbox() -> OutboxBacklog | None:
    """Measure the outbox; return None before the migration that creates it.

    Raises:
        DatabaseError, InterfaceError: when the database does not respond.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    if not outbox.exists(connection):
        return None
    rows, seconds = outbox.backlog(connection)
    return OutboxBacklog(rows, seconds, complete=rows < outbox.MAX_ROWS_COUNTED)
