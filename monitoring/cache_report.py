"""The health of a cache, as endpoint, command, metrics and pages show it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Status = Literal["healthy", "degraded", "unhealthy", "disabled"]

#: Share of its limit from which a server is short of memory.
MEMORY_SHORT_FROM: Final = 0.9

#: Seconds that an invalidation may wait in the outbox: the keeper takes it in a tenth of one.
MAX_OUTBOX_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Hits:
    """How often a group of answers was served from the cache, in some span of time."""

    hits: int
    misses: int
    bypasses: int

    @property
    def asked(self) -> int:
        """Return how many answers were asked for."""
        return self.hits + self.misses + self.bypasses

    @property
    def hit_rate(self) -> float | None:
        """Return the share of answers that came from the cache, 0 to 1; None where nobody asked."""
        return round(self.hits / self.asked, 4) if self.asked else None


@dataclass(frozen=True)
class Family:
    """A group of answers, counted over all processes.

    Args:
        ttl: seconds for which its answers are kept.
        total: since the cache server's start.
        hour: in the last hour.
        minute: in the last minute.
        invalidations: how often a write made something of it stale, since the server's start.
        invalidations_hour: the same in the last hour.
    """

    ttl: int
    total: Hits | None = None
    hour: Hits | None = None
    minute: Hits | None = None
    invalidations: int | None = None
    invalidations_hour: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the family as the endpoint shows it."""
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


@dataclass(frozen=True)
class ServerFigures:
    """What the cache server says of itself.

    Args:
        server: its name and version.
        latency_ms: milliseconds of a ping.
        uptime_seconds: since its start.
        connected_clients: open connections.
        memory_bytes: in use.
        memory_limit_bytes: at most; None: no limit of its own.
        evicted_keys: taken away for want of memory, since its start.
        max_clients: connections it takes at most.
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
        """Return the share of the limit that is in use, or None without a limit."""
        return round(self.memory_bytes / self.memory_limit_bytes, 4) if self.memory_limit_bytes else None

    @property
    def short_of_memory(self) -> bool:
        """Return whether the limit is nearly reached."""
        return (self.memory_share or 0) >= MEMORY_SHORT_FROM


@dataclass(frozen=True)
class Outbox:
    """Invalidations that wait in the database.

    Args:
        length: rows; ``complete`` is False where there are more than were counted.
        oldest_seconds: age of the first one, 0 where there is none.
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
    """How the cache is. What cannot be told is None.

    Args:
        status: ``degraded`` answers, but not as it should: ``reasons`` tells why.
        error: why there is no connection.
        breaker: ``closed`` while this process asks the server.
        evicted_hour: keys evicted for want of memory in the last hour, as far as somebody looked.
        audited: answers that were compared with the database in the last hour, by what was found.
        families: by group of answers.
    """

    status: Status
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
        """Return the counts of all families since the server's start, or None where they are not known."""
        return self._sum("total")

    @property
    def hour(self) -> Hits | None:
        """Return the counts of all families in the last hour."""
        return self._sum("hour")

    @property
    def minute(self) -> Hits | None:
        """Return the counts of all families in the last minute."""
        return self._sum("minute")

    @property
    def queries_saved_percent(self) -> float | None:
        """Return how many of the database's queries for cacheable answers were not made, in percent.

        An answer from the cache is at least one query that was not made; so this never claims too much.
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
    """Return the health of a cache that is not there."""
    return CacheHealth("disabled")


_STEP = 1024


def human_bytes(size: float) -> str:
    """Return bytes as people read them: ``2.1M``."""
    for unit in ("B", "K", "M", "G"):
        if size < _STEP:
            return f"{size:.0f}B" if unit == "B" else f"{size:.1f}{unit}"
        size /= _STEP
    return f"{size:.1f}T"
