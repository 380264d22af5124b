"""The health of the cache, as the endpoint, the command, the metrics and the console show it."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Final, Literal

from monitoring.formatting import human_bytes

Status = Literal["healthy", "degraded", "unhealthy", "disabled"]

#: Share of its memory limit from which the cache server is short of memory.
MEMORY_SHORT_FROM: Final = 0.9

#: Seconds that an invalidation may wait in the outbox.
MAX_OUTBOX_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Hits:
    """Requests for a group of cacheable responses, in some span of time."""

    hits: int
    misses: int
    bypasses: int

    @property
    def requests(self) -> int:
        """Return the number of requests."""
        return self.hits + self.misses + self.bypasses

    @property
    def hit_rate(self) -> float | None:
        """Return the share of requests served from the cache, 0 to 1; None without requests."""
        return round(self.hits / self.requests, 4) if self.requests else None


@dataclass(frozen=True, kw_only=True)
class Family:
    """A group of cacheable responses, counted over all processes.

    Args:
        ttl: time to live in seconds.
        total: requests since the cache server's start.
        hour: requests in the last hour.
        minute: requests in the last minute.
        invalidations: invalidations by writes since the cache server's start.
        invalidations_hour: invalidations by writes in the last hour.
    """

    ttl: int
    total: Hits | None = None
    hour: Hits | None = None
    minute: Hits | None = None
    invalidations: int | None = None
    invalidations_hour: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the group as the endpoint shows it."""
        total = self.total
        return {
            "hits": total and total.hits,
            "misses": total and total.misses,
            "bypasses": total and total.bypasses,
            "hit_rate": total and total.hit_rate,
            "hit_rate_hour": self.hour and self.hour.hit_rate,
            "hit_rate_minute": self.minute and self.minute.hit_rate,
            "invalidations": self.invalidations,
            "ttl": self.ttl,
        }


@dataclass(frozen=True, kw_only=True)
class ServerFigures:
    """The cache server's own figures.

    Args:
        server: name and version.
        latency_ms: duration of a ping in milliseconds.
        uptime_seconds: seconds since its start.
        connected_clients: open connections.
        memory_bytes: memory in use.
        memory_limit_bytes: memory limit; None if it has none.
        evicted_keys: keys evicted for lack of memory since its start.
        max_clients: maximum number of connections.
    """

    server: str
    latency_ms: float
    uptime_seconds: int
    connected_clients: int
    memory_bytes: int
    memory_limit_bytes: int | None
    evicted_keys: int
    max_clients: int | None

    @property
    def memory_share(self) -> float | None:
        """Return the share of the memory limit in use; None without a limit."""
        return round(self.memory_bytes / self.memory_limit_bytes, 4) if self.memory_limit_bytes else None

    @property
    def short_of_memory(self) -> bool:
        """Return whether the limit is nearly reached."""
        return (self.memory_share or 0) >= MEMORY_SHORT_FROM


@dataclass(frozen=True)
class Outbox:
    """Invalidations that wait in the database.

    Args:
        length: number of rows.
        oldest_seconds: age of the oldest one; 0 without any.
        complete: False if there are more rows than were counted.
    """

    length: int
    oldest_seconds: float
    complete: bool = True

    @property
    def stuck(self) -> bool:
        """Return whether the oldest one has waited for too long."""
        return self.oldest_seconds > MAX_OUTBOX_SECONDS


@dataclass(frozen=True)
class CacheHealth:
    """The state of the cache. None means unknown.

    Args:
        status: ``healthy``; ``degraded``: it responds, but see ``reasons``; ``unhealthy`` or ``disabled``.
        connection: whether the server responds.
        error: why it does not.
        reasons: why the cache is degraded.
        breaker: state of this process's circuit breaker; ``closed`` while it uses the server.
        figures: the server's own figures.
        outbox: invalidations that wait in the database.
        evicted_hour: keys evicted for lack of memory in the last hour, as far as it was observed.
        audited: cached responses compared with the database in the last hour, by verdict.
        families: groups of cacheable responses by name.
    """

    status: Status
    _: KW_ONLY
    connection: bool = False
    error: str | None = None
    reasons: tuple[str, ...] = ()
    breaker: str | None = None
    figures: ServerFigures | None = None
    outbox: Outbox | None = None
    evicted_hour: int = 0
    audited: Mapping[str, int] = field(default_factory=dict)
    families: Mapping[str, Family] = field(default_factory=dict)

    @property
    def total(self) -> Hits | None:
        """Return the requests of all groups since the server's start; None if unknown."""
        return self._sum("total")

    @property
    def hour(self) -> Hits | None:
        """Return the requests of all groups in the last hour; None if unknown."""
        return self._sum("hour")

    @property
    def minute(self) -> Hits | None:
        """Return the requests of all groups in the last minute; None if unknown."""
        return self._sum("minute")

    @property
    def queries_saved_percent(self) -> float | None:
        """Return the share of queries for cacheable responses that the cache saved, in percent.

        A hit saves at least one query, so the real share is never lower.
        """
        rate = self.total.hit_rate if self.total else None
        return None if rate is None else round(100 * rate, 1)

    def _sum(self, span: str) -> Hits | None:
        counted = [hits for family in self.families.values() if (hits := getattr(family, span)) is not None]
        if not counted:
            return None
        return Hits(
            sum(each.hits for each in counted),
            sum(each.misses for each in counted),
            sum(each.bypasses for each in counted),
        )

    def as_json(self) -> dict[str, Any]:
        """Return the health as the endpoint shows it."""
        figures = self.figures
        shown = {
            "status": self.status,
            "connection": self.connection,
            "memory_usage": figures and human_bytes(figures.memory_bytes),
            "memory_bytes": figures and figures.memory_bytes,
            "memory_limit_bytes": figures and figures.memory_limit_bytes,
            "evicted_keys": figures and figures.evicted_keys,
            "evicted_hour": self.evicted_hour,
            "connected_clients": figures and figures.connected_clients,
            "uptime_seconds": figures and figures.uptime_seconds,
            "server": figures and figures.server,
            "latency_ms": figures and figures.latency_ms,
            "breaker": self.breaker,
            "reasons": list(self.reasons),
            "outbox": self.outbox
            and {
                "length": self.outbox.length,
                "complete": self.outbox.complete,
                "oldest_seconds": self.outbox.oldest_seconds,
            },
            "audited_hour": dict(self.audited),
            "hit_rate": {
                span: (counts.hit_rate if counts else None)
                for span, counts in (("total", self.total), ("hour", self.hour), ("minute", self.minute))
            },
            "queries_saved_percent": self.queries_saved_percent,
            "families": {name: family.as_json() for name, family in self.families.items()},
        }
        return {**shown, "error": self.error} if self.error else shown


def no_cache() -> CacheHealth:
    """Return the health of a disabled cache."""
    return CacheHealth("disabled")
