"""The health of the cache, as the endpoint, the command, the metrics and the console show it."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, fields
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
    """A group of cacheable responses, counted over all processes: since the cache server's start, and lately.

    Args:
        ttl: time to live in seconds.
        invalidations: invalidations by writes.
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
        latency_ms: duration of a ping.
        memory_limit_bytes: None if it has no limit.
        evicted_keys: keys evicted for lack of memory since its start.
    """

    server: str
    latency_ms: float
    uptime_seconds: int
    connected_clients: int
    memory_bytes: int
    memory_limit_bytes: int | None
    evicted_keys: int

    @property
    def memory_share(self) -> float | None:
        """Return the share of the memory limit in use; None without a limit."""
        return round(self.memory_bytes / self.memory_limit_bytes, 4) if self.memory_limit_bytes else None

    @property
    def short_of_memory(self) -> bool:
        """Return whether the limit is nearly reached."""
        return (self.memory_share or 0) >= MEMORY_SHORT_FROM


_NO_FIGURES: Final = {each.name: None for each in fields(ServerFigures)}


@dataclass(frozen=True)
class Outbox:
    """Invalidations that wait in the database.

    Args:
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
        breaker: state of this process's circuit breaker; ``closed`` while it uses the server.
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
        counted = [family.total for family in self.families.values() if family.total]
        if not counted:
            return None
        return Hits(
            sum(each.hits for each in counted),
            sum(each.misses for each in counted),
            sum(each.bypasses for each in counted),
        )

    @property
    def queries_saved_percent(self) -> float | None:
        """Return the share of queries for cacheable responses that the cache saved, in percent.

        A hit saves at least one query, so the real share is never lower.
        """
        rate = self.total.hit_rate if self.total else None
        return None if rate is None else round(100 * rate, 1)

    def as_json(self) -> dict[str, Any]:
        """Return the health as the endpoint shows it."""
        shown = {
            "status": self.status,
            "connection": self.connection,
            "memory_usage": self.figures and human_bytes(self.figures.memory_bytes),
            **(vars(self.figures) if self.figures else _NO_FIGURES),
            "evicted_hour": self.evicted_hour,
            "breaker": self.breaker,
            "reasons": list(self.reasons),
            "outbox": self.outbox and vars(self.outbox),
            "audited_hour": dict(self.audited),
            "queries_saved_percent": self.queries_saved_percent,
            "families": {name: family.as_json() for name, family in self.families.items()},
        }
        return {**shown, "error": self.error} if self.error else shown
