"""The rules. Each reads the report and yields findings, with evidence and an action.

A healthy installation has no finding above ``info``. These rules query nothing. The application's own rules
are in its ``MonitoredApp`` and may query the database.
"""

from collections.abc import Iterator
from typing import Final

from monitoring.findings import Finding
from monitoring.registry import Rule
from monitoring.report_data import DatabaseReport
from monitoring.rules import (
    background_tasks,
    cache,
    configuration,
    connections,
    disk,
    indexes,
    pools,
    queries,
    tables,
)

_RULES: Final[tuple[Rule, ...]] = (
    cache.unreachable,
    cache.memory,
    cache.backlog,
    cache.stale_responses,
    cache.times_to_live,
    tables.missing,
    tables.expired,
    tables.partitioning,
    tables.statistics,
    tables.dead_rows,
    tables.sequential_scans,
    indexes.missing,
    indexes.invalid,
    indexes.needless,
    queries.plans,
    queries.slow,
    queries.repeated,
    queries.sessions,
    connections.database_down,
    connections.near_limit,
    connections.replicas,
    connections.replicas_of_settings,
    pools.too_many,
    pools.too_small,
    pools.too_large,
    disk.runway,
    disk.journal,
    disk.free_pages,
    background_tasks.overdue,
    configuration.debug,
    configuration.echo,
    configuration.replicas,
    configuration.https,
)


def findings(report: DatabaseReport) -> Iterator[Finding]:
    """Yield the findings of all rules but the application's own."""
    for rule in _RULES:
        yield from rule(report)
