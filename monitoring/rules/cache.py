"""Rules about the cache."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from monitoring import registry
from monitoring.cache_report import CacheHealth, Family, human_bytes
from monitoring.findings import Finding

if TYPE_CHECKING:
    from monitoring.report import DatabaseReport

#: Misses an hour from which a longer time to live is worth a word, and the points of hit rate it must give.
_MISSES_FROM: Final = 100
_GAIN_FROM: Final = 0.02
_LONGER: Final = 4
_LONGEST: Final = 86_400


def unreachable(report: "DatabaseReport") -> Iterator[Finding]:
    """Find a cache server that does not answer."""
    health = report.cache
    if health.status == "unhealthy":
        yield Finding(
            "cache:unreachable",
            "critical",
            "The cache server does not answer; every request asks the database",
            {"error": health.error, "breaker": health.breaker},
            "Start the server that REDIS_URL names, then look again: python manage.py cache_health",
        )


def memory(report: "DatabaseReport") -> Iterator[Finding]:
    """Find a cache server that has taken answers away, or soon will, for want of memory."""
    figures = report.cache.figures
    if figures is None:
        return
    limit = figures.memory_limit_bytes or 2 * figures.memory_bytes
    evidence = {
        "evicted_hour": report.cache.evicted_hour,
        "memory_bytes": figures.memory_bytes,
        "memory_limit_bytes": figures.memory_limit_bytes,
    }
    action = f"CONFIG SET maxmemory {2 * limit}"
    if report.cache.evicted_hour:
        title = f"{report.cache.evicted_hour} keys were evicted in the last hour for want of memory"
        yield Finding("cache:evictions", "warning", title, evidence, action)
    if figures.short_of_memory:
        title = f"The cache has {human_bytes(figures.memory_bytes)} of {human_bytes(limit)} in use"
        yield Finding("cache:memory", "warning", title, evidence, action)


def backlog(report: "DatabaseReport") -> Iterator[Finding]:
    """Find invalidations that nobody takes out of the database, which keeps the cache from being trusted."""
    waiting = report.cache.outbox
    if waiting and waiting.stuck and report.cache.connection:
        yield Finding(
            "cache:backlog",
            "warning",
            "Invalidations wait in the database: no process drains them",
            {"length": waiting.length, "oldest_seconds": waiting.oldest_seconds},
            "python manage.py cache_keeper",
        )


def wrong_answers(report: "DatabaseReport") -> Iterator[Finding]:
    """Find cached answers that were not what the database says."""
    if report.cache.audited.get("stale"):
        yield Finding(
            "cache:stale",
            "critical",
            "The audit found cached answers that differ from the database",
            {"last_hour": dict(report.cache.audited)},
            "python manage.py cache_audit",
        )


def times_to_live(report: "DatabaseReport") -> Iterator[Finding]:
    """Find families whose answers mostly end by their age although nothing changed."""
    for name, family in report.cache.families.items():
        finding = _longer(report.cache, name, family)
        if finding:
            yield finding


def _longer(health: CacheHealth, name: str, family: Family) -> Finding | None:
    """Return the advice to keep a family's answers for longer, with the hit rate that would give.

    A miss follows a change, or the end of the time to live. Those of the first kind stay, and there are at
    most as many as there were changes; those of the second become fewer as the time becomes longer.
    """
    hour, changes = family.hour, family.invalidations_hour
    setting = registry.monitored_app().ttl_settings.get(name)
    longer = min(_LONGER * family.ttl, _LONGEST)
    if not (health.connection and hour and setting and changes is not None) or hour.misses < _MISSES_FROM:
        return None
    aged = hour.misses - min(hour.misses, changes)
    spared = aged * (1 - family.ttl / longer)
    expected = round((hour.hits + spared) / hour.asked, 4)
    if expected - (hour.hit_rate or 0) < _GAIN_FROM:
        return None
    return Finding(
        f"cache:ttl:{name}",
        "info",
        f"Answers of {name} end by their age more often than by a change",
        {
            "ttl_seconds": family.ttl,
            "hit_rate_hour": hour.hit_rate,
            "misses_hour": hour.misses,
            "changes_hour": changes,
            "suggested_ttl_seconds": longer,
            "expected_hit_rate": expected,
        },
        f"{setting}={longer}",
    )
