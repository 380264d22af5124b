"""The cache's health, as the monitoring shows it: measured by the cache, judged by the thresholds there."""

import time
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError

from monitoring.cache_report import CacheHealth, Family, Hits, Outbox, ServerFigures
from monitoring.timeouts import BoundedCall, TimeBudget, TimeBudgetExceeded
from orchestrator.cache import client
from orchestrator.cache.audit import Verdict
from orchestrator.cache.health import Backlog, Measured, backlog, measure
from orchestrator.cache.interface import CacheUnavailable
from orchestrator.cache.metrics import Counts
from orchestrator.cache.tags import TTL_SETTINGS


def health(budget: TimeBudget) -> CacheHealth:
    """Return how the cache is now.

    Args:
        budget: how long a server or database that hangs is waited for.
    """
    current = client.current()
    ttls = {group: getattr(settings, name) for group, name in TTL_SETTINGS.items()}
    if not current.enabled:
        return CacheHealth("disabled", families={group: Family(ttl=ttl) for group, ttl in ttls.items()})
    # Both are asked at once: one that hangs does not keep the other from its answer.
    asked, waiting_asked = BoundedCall(lambda: measure(current), "cache"), BoundedCall(backlog)
    until, breaker = time.monotonic() + budget.left, current.breaker.state.value
    try:
        measured = asked.result(budget.left)
    except (CacheUnavailable, TimeBudgetExceeded) as error:
        return CacheHealth(
            "unhealthy",
            error=str(error),
            breaker=breaker,
            outbox=_outbox(waiting_asked, until),
            families={group: Family(ttl=ttl) for group, ttl in ttls.items()},
        )
    waiting = _outbox(waiting_asked, until)
    reasons = _reasons(measured, waiting, breaker)
    return CacheHealth(
        "degraded" if reasons else "healthy",
        connection=True,
        reasons=reasons,
        breaker=breaker,
        figures=_figures(measured),
        outbox=waiting,
        evicted_hour=measured.counts.hour.get("server:evicted", 0),
        audited={verdict.value: measured.counts.hour.get(f"audit:{verdict}", 0) for verdict in Verdict},
        families={group: _family(group, ttl, measured.counts) for group, ttl in ttls.items()},
    )


def _figures(measured: Measured) -> ServerFigures:
    """Return the figures of an ``INFO``; a server that is not Valkey calls itself Redis."""
    info: Mapping[str, Any] = measured.info
    name = info.get("server_name", "redis")
    version = info.get("valkey_version") or info.get("redis_version", "")
    return ServerFigures(
        server=f"{name} {version}".strip(),
        latency_ms=round(measured.latency_seconds * 1000, 3),
        uptime_seconds=int(info["uptime_in_seconds"]),
        connected_clients=int(info["connected_clients"]),
        memory_bytes=int(info["used_memory"]),
        memory_limit_bytes=int(info.get("maxmemory", 0)) or None,
        evicted_keys=int(info["evicted_keys"]),
        max_clients=info.get("maxclients"),
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


def _hits(group: str, counted: Mapping[str, int]) -> Hits:
    return Hits(*(counted.get(f"{group}:{what}", 0) for what in ("hits", "misses", "bypasses")))


def _reasons(measured: Measured, waiting: Outbox | None, breaker: str) -> tuple[str, ...]:
    """Return why a cache that answers is not as it should be."""
    figures, reasons = _figures(measured), []
    if breaker != "closed":
        reasons.append("the circuit breaker of this process is open")
    if evicted := measured.counts.hour.get("server:evicted"):
        reasons.append(f"{evicted} keys were evicted in the last hour for lack of memory")
    if figures.short_of_memory:
        reasons.append(f"{figures.memory_share:.0%} of the memory limit is in use")
    if waiting and waiting.stuck:
        reasons.append(f"an invalidation has waited in the outbox for {waiting.oldest_seconds:.0f} seconds")
    return tuple(reasons)


def _outbox(asked: BoundedCall[Backlog | None], until: float) -> Outbox | None:
    """Return what waits in the outbox, or None where there is none or the database does not answer."""
    try:
        found = asked.result(max(0.0, until - time.monotonic()))
    except (DatabaseError, InterfaceError, TimeBudgetExceeded):
        return None
    if found is None:
        return None
    return Outbox(found.rows, round(found.oldest_seconds, 3), complete=found.complete)
