"""`manage.py cache_health`: the state of the cache."""

import sys
from typing import Any, Final

from monitoring import registry
from monitoring.cache_report import CacheHealth
from monitoring.formatting import human_bytes, human_duration
from monitoring.management.reports import ReportCommand
from monitoring.serialization import cache_document
from monitoring.timeouts import TimeBudget

_EXIT: Final = {"healthy": 0, "degraded": 1, "unhealthy": 1, "disabled": 2}


class Command(ReportCommand):
    help = (
        "Show the cache's health and the hit rate of each group of responses, over all processes. "
        "Exit status: 0 healthy, 1 degraded or unhealthy, 2 disabled."
    )

    def handle(self, **options: Any) -> None:
        health = registry.monitored_app().cache(TimeBudget())
        if options["json"]:
            self.write_json(cache_document(health))
        else:
            self._write(health)
        sys.exit(_EXIT[health.status])

    def _write(self, health: CacheHealth) -> None:
        self.stdout.write(f"The cache is {health.status}.")
        for reason in (health.error, *health.reasons):
            if reason:
                self.stdout.write(f"  because {reason}")
        if health.figures:
            figures, uptime = health.figures, human_duration(health.figures.uptime_seconds)
            limit = f" of {human_bytes(figures.memory_limit_bytes)}" if figures.memory_limit_bytes else ""
            self.stdout.write(
                f"{figures.server}, up {uptime}, ping {figures.latency_ms} ms, "
                f"{figures.connected_clients} clients, {human_bytes(figures.memory_bytes)}{limit} of memory, "
                f"{figures.evicted_keys} keys evicted"
            )
        if health.outbox:
            self.stdout.write(f"{health.outbox.length} invalidations in the outbox")
        if health.queries_saved_percent is not None:
            self.stdout.write(f"The cache saved {health.queries_saved_percent} % of the queries it can save")
        heads = ("family", "hits", "misses", "bypasses", "hit rate", "last hour", "invalidations", "ttl")
        rows = ((name, *_row(family.as_json())) for name, family in health.families.items())
        self.write_table(heads, rows)


def _row(family: dict[str, Any]) -> tuple[object, ...]:
    columns = ("hits", "misses", "bypasses", "hit_rate", "hit_rate_hour", "invalidations", "ttl")
    return tuple(family[column] for column in columns)
