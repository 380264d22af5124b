"""The health of the cache, for the monitoring."""

import time
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError

from monitoring.cache_report import CacheHealth, Family, Hits, Outbox, ServerFigures
from monitoring.timeouts import BoundedCall, TimeBudget, TimeBudgetExceeded
from orchestrator.cache import client
from orchestrator.cache.audit import Verdict
from orchestrator.cache.health import OutboxBacklog, ServerMeasurement, measure_outbox, measure_server
from orchestrator.cache.interface import CacheUnavailable
from orchestrator.cache.metrics import Counts
from orchestrator.cache.tags import TTL_SETTINGS


def health(budget: TimeBudget) -> CacheHealth:
    """Measure the cache within a time budget, also if its server or the database hangs."""
    cache = client.current()
    ttls = {group: getattr(settings, name) for group, name in TTL_SETTINGS.items()}
    unmeasured = {group: Family(ttl=ttl) for group, ttl in ttls.items()}
    if not cache.enabled:
        return CacheHealth("disabled", families=unmeasured)
    # In parallel: if one hangs, the other is still measured.
    server_call = BoundedCall(lambda: measure_server(cache), "cache")
    outbox_call = BoundedCall(measure_outbox)
    deadline, breaker = time.monotonic() + budget.left, cache.breaker.state.value
    try:
        server = server_call.result(budget.left)
    except (CacheUnavailable, TimeBudgetExceeded) as error:
        outbox = _outbox(outbox_call, deadline)
        return CacheHealth("unhealthy", error=str(error), breaker=breaker, outbox=outbox, families=unmeasured)
    return _measured_health(server, _outbox(outbox_call, deadline), breaker, ttls)


def _measured_health(
    server: ServerMeasurement, outbox: Outbox | None, breaker: str, ttls: Mapping[str, int]
) -> CacheHealth:
    reasons = _reasons(server, outbox, breaker)
    hour = server.counts.hour
    return CacheHealth(
        "degraded" if reasons else "healthy",
        connection=True,
        reasons=reasons,
        breaker=breaker,
        figures=_figures(server),
        outbox=outbox,
        evicted_hour=hour.get("server:evicted", 0),
        audited={verdict.value: hour.get(f"audit:{verdict}", 0) for verdict in Verdict},
        families={group: _family(group, ttl, server.counts) for group, ttl in ttls.items()},
    )


def _figures(server: ServerMeasurement) -> ServerFigures:
    """Return the server's own figures. Valkey reports a Redis version as well, for compatibility."""
    info: Mapping[str, Any] = server.info
    name = info.get("server_name", "redis")
    version = info.get("valkey_version") or info.get("redis_version", "")
    return ServerFigures(
        server=f"{name} {version}".strip(),
        latency_ms=round(server.latency_seconds * 1000, 3),
        uptime_seconds=int(info["uptime_in_seconds"]),
        connected_clients=int(info["connected_clients"]),
        memory_bytes=int(info["used_memory"]),
        memory_limit_bytes=int(info.get("maxmemory", 0)) or None,
        evicted_keys=int(info["evicted_keys"]),
    )


def _family(group: str, ttl: int, counts: Counts) -> Family:
    return Family(
        ttl=ttl,
        total=_hits(group, counts.total),
        hour=_hits(group, counts.hour),
        minute=_hits(group, counts.minute),
        invalidations=counts.total.get(f"invalidations:{group}", 0),
        invalidations_hour=counts.hour.get(f"invalidations:{group}", 0),
    )


def _hits(group: str, counts: Mapping[str, int]) -> Hits:
    return Hits(*(counts.get(f"{group}:{event}", 0) for event in ("hits", "misses", "bypasses")))


def _reasons(server: ServerMeasurement, outbox: Outbox | None, breaker: str) -> tuple[str, ...]:
    """Return why a cache that responds is degraded; empty if it is healthy."""
    figures, reasons = _figures(server), []
    if breaker != "closed":
        reasons.append("the circuit breaker of this process is open")
    if evicted := server.counts.hour.get("server:evicted"):
        reasons.append(f"{evicted} keys were evicted in the last hour for lack of memory")
    if figures.memory_limit_bytes and str(server.info.get("maxmemory_policy", "")).startswith("allkeys"):
        reasons.append("maxmemory-policy may evict the marks of writes in flight; set it to volatile-lru")
    if figures.short_of_memory:
        reasons.append(f"{figures.memory_share:.0%} of the memory limit is in use")
    if outbox and outbox.stuck:
        reasons.append(f"an invalidation has waited in the outbox for {outbox.oldest_seconds:.0f} seconds")
    return tuple(reasons)


def _outbox(call: BoundedCall[OutboxBacklog | None], deadline: float) -> Outbox | None:
    """Return the outbox's backlog; None if the outbox does not exist or the database does not respond."""
    try:
        backlog = call.result(max(0.0, deadline - time.monotonic()))
    except (DatabaseError, InterfaceError, TimeBudgetExceeded):
        return None
    if backlog is None:
        return None
    return Outbox(backlog.rows, round(backlog.oldest_seconds, 3), complete=backlog.complete)
