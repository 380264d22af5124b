"""Rules about the cache."""

from collections.abc import Iterator
from typing import Final

from monitoring import registry
from monitoring.cache_report import CacheHealth, Family
from monitoring.findings import Finding
from monitoring.formatting import human_bytes
from monitoring.report_data import DatabaseReport

#: A longer time to live is recommended from this many misses an hour, if the hit rate gains this much.
_MIN_MISSES: Final = 100
_MIN_GAIN: Final = 0.02
_TTL_FACTOR: Final = 4
_MAX_TTL: Final = 86_400


def unreachable(report: DatabaseReport) -> Iterator[Finding]:
    """Find a cache server that does not respond."""
    health = report.cache
    if health.status == "unhealthy":
        yield Finding(
            "cache:unreachable",
            "critical",
            "The cache server does not respond; every request queries the database",
            {"error": health.error, "breaker": health.breaker},
            "Start the server that REDIS_URL names, then check: python manage.py cache_health",
        )


def memory(report: DatabaseReport) -> Iterator[Finding]:
    """Find a cache server that evicts entries for lack of memory, or soon will."""
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
        title = f"The cache evicted {report.cache.evicted_hour} keys in the last hour for lack of memory"
        yield Finding("cache:evictions", "warning", title, evidence, action)
    if figures.short_of_memory:
        title = f"The cache uses {human_bytes(figures.memory_bytes)} of {human_bytes(limit)}"
        yield Finding("cache:memory", "warning", title, evidence, action)


def backlog(report: DatabaseReport) -> Iterator[Finding]:
    """Find invalidations that wait in the outbox; until they are delivered the cache is not used."""
    waiting = report.cache.outbox
    if waiting and waiting.stuck and report.cache.connection:
        yield Finding(
            "cache:backlog",
            "warning",
            "Invalidations wait in the database: no process drains the outbox",
            {"length": waiting.length, "oldest_seconds": waiting.oldest_seconds},
            registry.monitored_app().drain_outbox,
        )


def stale_responses(report: DatabaseReport) -> Iterator[Finding]:
    """Find cached responses that differed from the database."""
    if report.cache.audited.get("stale"):
        yield Finding(
            "cache:stale",
            "critical",
            "The audit found cached responses that differ from the database",
            {"last_hour": dict(report.cache.audited)},
            registry.monitored_app().audit_cache,
        )


def times_to_live(report: DatabaseReport) -> Iterator[Finding]:
    """Find groups of responses that mostly expire although nothing has changed."""
    for name, family in report.cache.families.items():
        finding = _longer_ttl(report.cache, name, family)
        if finding:
            yield finding


def _longer_ttl(health: CacheHealth, name: str, family: Family) -> Finding | None:
    """Return the recommendation of a longer time to live, with the hit rate to expect.

    A miss follows either a change or an expiry. Misses after a change remain; there are at most as many as
    there were changes. Misses after an expiry become fewer in proportion to the time to live.
    """
    hour, changes = family.hour, family.invalidations_hour
    setting = registry.monitored_app().ttl_settings.get(name)
    longer = min(_TTL_FACTOR * family.ttl, _MAX_TTL)
    if not (health.connection and hour and setting and changes is not None) or hour.misses < _MIN_MISSES:
        return None
    after_expiry = hour.misses - min(hour.misses, changes)
    spared = after_expiry * (1 - family.ttl / longer)
    expected = round((hour.hits + spared) / hour.requests, 4)
    if expected - (hour.hit_rate or 0) < _MIN_GAIN:
        return None
    return Finding(
        f"cache:ttl:{name}",
        "info",
        f"Cached responses of {name} expire more often than they change",
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
