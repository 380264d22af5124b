"""How the cache is: what its server says of itself, the outbox, and what all processes counted."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections

from monitoring.cache_report import (
    BACKLOG_SECONDS,
    MEMORY_SHORT,
    CacheHealth,
    Family,
    Hits,
    Outbox,
    ServerFigures,
)
from monitoring.limits import Look, Patience, TooSlowError
from orchestrator.cache import outbox, server, statistics
from orchestrator.cache.audit import Verdict
from orchestrator.cache.server import CacheUnavailableError, Server
from orchestrator.cache.statistics import Counts

_NOBODY: Final = Hits(0, 0, 0)


@dataclass(frozen=True)
class _Told:
    """What the cache server told in one look."""

    figures: ServerFigures
    counts: Counts


def health(ttl_settings: Mapping[str, str], patience: Patience) -> CacheHealth:
    """Return how the cache is now.

    Args:
        ttl_settings: every group of answers with the setting that says for how long they are kept.
        patience: how long a server or database that hangs is waited for.
    """
    current = server.current()
    ttls = {group: getattr(settings, name) for group, name in ttl_settings.items()}
    if not current.enabled:
        return CacheHealth("disabled", families={group: Family(ttl=ttl) for group, ttl in ttls.items()})
    # Both are asked at once: one that hangs does not keep the other from its answer.
    asked, waiting_asked = Look(lambda: _ask(current), "cache"), Look(_outbox)
    until, breaker = time.monotonic() + patience.left, current.breaker.state.value
    try:
        told = asked.answer(patience.left)
    except (CacheUnavailableError, TooSlowError) as error:
        return CacheHealth(
            "unhealthy",
            error=str(error),
            breaker=breaker,
            outbox=_answer(waiting_asked, until),
            families={group: Family(ttl=ttl) for group, ttl in ttls.items()},
        )
    waiting = _answer(waiting_asked, until)
    reasons = _reasons(told, waiting, breaker)
    return CacheHealth(
        "degraded" if reasons else "healthy",
        connection=True,
        reasons=reasons,
        breaker=breaker,
        figures=told.figures,
        outbox=waiting,
        evicted_hour=told.counts.hour.get("server:evicted", 0),
        audited={verdict.value: told.counts.hour.get(f"audit:{verdict}", 0) for verdict in Verdict},
        families={group: _family(group, ttl, told.counts) for group, ttl in ttls.items()},
    )


def _ask(current: Server) -> _Told:
    started = time.perf_counter()
    current.ask(lambda client: client.ping())
    latency = time.perf_counter() - started
    info = current.ask(lambda client: client.info("everything"))
    statistics.note_evictions(current, int(info["evicted_keys"]))
    return _Told(_figures(info, latency), statistics.read(current))


def _figures(info: Mapping[str, Any], latency: float) -> ServerFigures:
    """Return the figures of an ``INFO``; a server that is not Valkey calls itself Redis."""
    name = info.get("server_name", "redis")
    version = info.get("valkey_version") or info.get("redis_version", "")
    return ServerFigures(
        server=f"{name} {version}".strip(),
        latency_ms=round(latency * 1000, 3),
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


def _reasons(told: _Told, waiting: Outbox | None, breaker: str) -> tuple[str, ...]:
    """Return why a cache that answers is not as it should be."""
    figures, reasons = told.figures, []
    if breaker != "closed":
        reasons.append("the circuit breaker of this process is open")
    if evicted := told.counts.hour.get("server:evicted"):
        reasons.append(f"{evicted} keys were evicted in the last hour for want of memory")
    if (figures.memory_share or 0) >= MEMORY_SHORT:
        reasons.append(f"{figures.memory_share:.0%} of the memory limit is in use")
    if waiting and waiting.oldest_seconds > BACKLOG_SECONDS:
        reasons.append(f"an invalidation has waited in the outbox for {waiting.oldest_seconds:.0f} seconds")
    return tuple(reasons)


def _answer(asked: Look[Outbox | None], until: float) -> Outbox | None:
    """Return what waits in the outbox, or None where the database does not tell."""
    try:
        return asked.answer(max(0.0, until - time.monotonic()))
    except (DatabaseError, InterfaceError, TooSlowError):
        return None


def _outbox() -> Outbox | None:
    """Return what waits in the outbox, or None where there is none."""
    connection = connections[DEFAULT_DB_ALIAS]
    if not outbox.exists(connection):
        return None
    length, seconds = outbox.backlog(connection)
    return Outbox(length, round(seconds, 3), complete=length < outbox.COUNTED_AT_MOST)
