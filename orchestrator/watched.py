"""What of the orchestrator is watched: its tables, its cache and its hot queries, told to the monitoring."""

from collections.abc import Mapping, Sequence
from typing import Final

from django.conf import settings

from monitoring import registry
from monitoring.hot_queries import HotQuery, PlanCheck
from monitoring.registry import MonitoredApp, Retention, Table
from orchestrator import cache_health, counts
from orchestrator.cache.families import TTL_SETTINGS
from orchestrator.choices import ENDED_STATUSES

#: Rows from which the report advises to partition a table.
LARGE_FROM: Final = 10_000


def register_with_monitoring() -> None:
    """Hand over all that is watched."""
    ended = ", ".join(f"'{status}'" for status in ENDED_STATUSES)
    registry.register(
        MonitoredApp(
            tables=(
                Table(
                    "jobs",
                    Retention(
                        "completed_at",
                        settings.JOB_RETENTION_DAYS,
                        "JOB_RETENTION_DAYS",
                        f"status IN ({ended})",
                    ),
                ),
                Table(
                    "events",
                    Retention("created_at", settings.EVENT_RETENTION_DAYS, "EVENT_RETENTION_DAYS"),
                    large_from=LARGE_FROM,
                ),
                Table("tasks"),
                Table("users"),
            ),
            rows=counts.rows_by_table,
            verify=lambda repair: counts.verify(repair=repair),
            cache=cache_health.health,
            hot_queries=_hot_queries,
            query_plans=_query_plans,
            kept_indexes=_kept_indexes,
            ttl_settings=TTL_SETTINGS,
        )
    )


def _hot_queries() -> Sequence[HotQuery]:
    # Imported when asked: it comes with the whole API, which not every command needs.
    from orchestrator.hot_queries import hot_queries  # noqa: PLC0415

    return hot_queries()


def _query_plans() -> Sequence[PlanCheck]:
    from orchestrator.hot_queries import query_plans  # noqa: PLC0415 - as above

    return query_plans()


def _kept_indexes() -> Mapping[str, str]:
    from orchestrator.hot_queries import KEPT  # noqa: PLC0415 - as above

    return KEPT
