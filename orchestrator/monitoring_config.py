"""What the orchestrator registers with the monitoring: tables, cache, hot queries, commands and rules.

For a new finding about jobs, events, tasks or users, write a rule like ``token_lifetimes`` and add it to
``rules``; the rules about queues and workers are in ``console/workload/work_findings.py``. A rule may query
the database: if the query fails or takes too long, only its findings are missing.
"""

from collections.abc import Iterator
from typing import Final

from django.conf import settings

from monitoring import registry
from monitoring.findings import Finding
from monitoring.registry import MonitoredApp, MonitoredTable
from monitoring.report_data import DatabaseReport
from monitoring.retention import Retention
from orchestrator import cache_health, counts, hot_queries
from orchestrator.cache.health import reachable
from orchestrator.cache.tags import TTL_SETTINGS
from orchestrator.choices import ENDED_STATUSES
from orchestrator.console import cached_figures
from orchestrator.console.workload import monitored_work, work_findings
from orchestrator.console.workload.work_metrics import work_metrics
from orchestrator.partitions.partition_findings import partitions_of_events

#: Recommended lifetime of a refresh token, as a multiple of the access token's.
_REFRESH_FACTOR: Final = 84


def register_with_monitoring() -> None:
    """Register the orchestrator. Called once, at start-up."""
    registry.register(
        MonitoredApp(
            tables=_tables(),
            rows=counts.rows_by_table,
            verify=lambda repair: [vars(row) for row in counts.verify(repair=repair)],
            cache=cache_health.health,
            cache_state=reachable,
            hot_queries=hot_queries.hot_queries,
            query_plans=hot_queries.query_plans,
            kept_indexes=lambda: hot_queries.KEEP_REASONS,
            ttl_settings=_ttl_settings(),
            local_hosts=settings.LOCAL_HOSTS,
            drain_outbox="python manage.py cache_relay",
            audit_cache="python manage.py cache_audit",
            explain_queries="python manage.py explain_queries",
            archive="python manage.py archive --table {table}",
            partition="python manage.py partition_events",
            figures=monitored_work,
            metrics=work_metrics,
            rules=(token_lifetimes, partitions_of_events, *work_findings.RULES),
        )
    )


def _ttl_settings() -> dict[str, str]:
    """Return the settings of which a longer time to live may be recommended."""
    # Figures of the console depend on the clock: they would be late.
    return {group: setting for group, setting in TTL_SETTINGS.items() if group != cached_figures.GROUP}


def _tables() -> tuple[MonitoredTable, ...]:
    ended = ", ".join(f"'{status}'" for status in ENDED_STATUSES)
    ended_jobs = Retention(
        column="completed_at",
        days=settings.JOB_RETENTION_DAYS,
        setting="JOB_RETENTION_DAYS",
        condition=f"status IN ({ended})",
    )
    events = Retention(
        column="created_at",
        days=settings.EVENT_RETENTION_DAYS,
        setting="EVENT_RETENTION_DAYS",
        partition_above=10_000,
    )
    return (
        MonitoredTable("jobs", ended_jobs),
        MonitoredTable("events", events),
        MonitoredTable("tasks"),
        MonitoredTable("users"),
    )


def token_lifetimes(_: DatabaseReport) -> Iterator[Finding]:
    """Find access tokens that live longer than the refresh tokens that renew them."""
    access, refresh = settings.JWT_ACCESS_MINUTES, settings.JWT_REFRESH_MINUTES
    if access > refresh:
        yield Finding(
            "settings:tokens",
            "warning",
            "Access tokens live longer than the refresh tokens that renew them",
            {"JWT_ACCESS_MINUTES": access, "JWT_REFRESH_MINUTES": refresh},
            f"JWT_REFRESH_MINUTES={min(access * _REFRESH_FACTOR, settings.MAX_MINUTES)}",
        )
