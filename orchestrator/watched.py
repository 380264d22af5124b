"""What of the orchestrator is watched: its tables, its cache and its hot queries, told to the monitoring."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from django.conf import settings

from monitoring import registry
from monitoring.hot_queries import HotQuery, PlanCheck
from monitoring.registry import MonitoredApp, Retention, Table
from orchestrator import counts
from orchestrator.cache import health
from orchestrator.choices import ENDED_STATUSES

#: Every group of answers that the cache counts, with the setting that says how long they are kept.
TTL_SETTINGS: Final = {
    "jobs": "CACHE_TTL_JOB_LIST",
    "job_counts": "CACHE_TTL_JOB_COUNTS",
    "job": "CACHE_TTL_JOB_LIST",
    "events": "CACHE_TTL_EVENTS",
    "event": "CACHE_TTL_EVENTS",
    "tasks": "CACHE_TTL_TASK_LIST",
    "task": "CACHE_TTL_TASK_LIST",
    "users": "CACHE_TTL_USER_LIST",
    "user": "CACHE_TTL_USER_LIST",
    "user_auth": "CACHE_TTL_USER_AUTH",
}

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
            cache=partial(health.health, TTL_SETTINGS),
            last_known=_last_known,
            hot_queries=_hot_queries,
            query_plans=_query_plans,
            kept_indexes=_kept_indexes,
            ttl_settings=TTL_SETTINGS,
        )
    )


def _last_known(request: Any) -> tuple[Any, Any] | None:
    # Imported when asked: it comes with the whole API, which not every command needs.
    from orchestrator.auth.authentication import last_known  # noqa: PLC0415

    return last_known(request)


def _hot_queries() -> Sequence[HotQuery]:
    from orchestrator.hot_queries import hot_queries  # noqa: PLC0415 - as above

    return hot_queries()


def _query_plans() -> Sequence[PlanCheck]:
    from orchestrator.hot_queries import query_plans  # noqa: PLC0415 - as above

    return query_plans()


def _kept_indexes() -> Mapping[str, str]:
    from orchestrator.hot_queries import KEPT  # noqa: PLC0415 - as above

    return KEPT
