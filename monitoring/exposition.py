"""The metrics, as Prometheus reads them: what the reports say, and what all processes have counted."""

import time
from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from monitoring import prometheus
from monitoring.cache_report import CacheHealth
from monitoring.disk import Disk
from monitoring.limits import Patience
from monitoring.report import DatabaseReport, database_report

#: Seconds for which a process tells the same report again: several collectors cost no more than one.
_FRESH_FOR: Final = 5.0

_LEVELS: Final = ("info", "warning", "critical")
_STATUSES: Final = ("healthy", "degraded", "unhealthy", "disabled")

_last: tuple[float, DatabaseReport] | None = None


def text(patience: Patience) -> bytes:
    """Return all metrics in Prometheus' text format.

    Args:
        patience: how long servers that are silent are waited for.
    """
    registry = CollectorRegistry()
    registry.register(_Reported(patience))
    registry.register(_Counted())
    return generate_latest(registry)


class _Counted(Collector):
    """What all processes have counted."""

    def collect(self) -> Iterator[Metric]:
        """Yield the sums."""
        yield from prometheus.collected()


class _Reported(Collector):
    """What the report says."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience

    def collect(self) -> Iterator[Metric]:
        """Yield every figure that is known."""
        report = _report(self._patience)
        yield from _of_cache(report.cache)
        yield from _of_families(report.cache)
        yield from _of_tables(report)
        yield from _of_indexes(report)
        yield from _of_database(report)
        yield from _of_room(report)
        yield from _of_findings(report)


def _report(patience: Patience) -> DatabaseReport:
    global _last  # noqa: PLW0603 - one memory a process
    now = time.monotonic()
    if _last is None or now - _last[0] > _FRESH_FOR:
        _last = (now, database_report(patience=patience))
    return _last[1]


def _gauge(name: str, text: str, value: float | None) -> Iterator[Metric]:
    metric = GaugeMetricFamily(name, text)
    if value is not None:
        metric.add_metric([], float(value))
    yield metric


def _of_cache(health: CacheHealth) -> Iterator[Metric]:
    status = GaugeMetricFamily("kyros_cache_status", "1 for the cache's present status.", labels=["status"])
    for name in _STATUSES:
        status.add_metric([name], float(health.status == name))
    yield status
    yield from _gauge("kyros_cache_up", "Whether the cache server answers.", health.connection)
    figures, waiting = health.figures, health.outbox
    if figures:
        yield from _gauge("kyros_cache_ping_seconds", "Time of a ping.", figures.latency_ms / 1000)
        yield from _gauge("kyros_cache_memory_bytes", "Memory in use.", figures.memory_bytes)
        yield from _gauge("kyros_cache_memory_limit_bytes", "Memory at most.", figures.memory_limit_bytes)
        yield from _gauge("kyros_cache_clients", "Open connections.", figures.connected_clients)
        yield from _gauge("kyros_cache_uptime_seconds", "Since the server's start.", figures.uptime_seconds)
        evicted = CounterMetricFamily("kyros_cache_evicted_keys", "Keys evicted for want of memory.")
        evicted.add_metric([], figures.evicted_keys)
        yield evicted
    if waiting:
        yield from _gauge("kyros_cache_outbox_rows", "Invalidations that wait.", waiting.length)
        yield from _gauge("kyros_cache_outbox_seconds", "Age of the first of them.", waiting.oldest_seconds)


def _of_families(health: CacheHealth) -> Iterator[Metric]:
    answers = CounterMetricFamily(
        "kyros_cache_answers", "Answers that the cache may give.", labels=["family", "outcome"]
    )
    stale = CounterMetricFamily(
        "kyros_cache_invalidations", "Times that something became stale.", labels=["family"]
    )
    for name, family in health.families.items():
        if family.total is not None:
            answers.add_metric([name, "hit"], family.total.hits)
            answers.add_metric([name, "miss"], family.total.misses)
            answers.add_metric([name, "bypass"], family.total.bypasses)
            stale.add_metric([name], family.invalidations or 0)
    audited = GaugeMetricFamily(
        "kyros_cache_audited_hour", "Answers compared with the database in the last hour.", labels=["verdict"]
    )
    for verdict, answered in health.audited.items():
        audited.add_metric([verdict], answered)
    yield from (answers, stale, audited)


def _of_tables(report: DatabaseReport) -> Iterator[Metric]:
    rows = GaugeMetricFamily("kyros_table_rows", "Rows.", labels=["table"])
    dead = GaugeMetricFamily("kyros_table_dead_rows", "Rows that vacuum has to take away.", labels=["table"])
    size = GaugeMetricFamily("kyros_table_bytes", "Bytes of the disk.", labels=["table", "part"])
    growth = GaugeMetricFamily("kyros_table_growth_bytes_per_day", "Bytes that come a day.", labels=["table"])
    for table in report.tables:
        for metric, labels, value in (
            (rows, [table.name], table.row_count),
            (dead, [table.name], table.dead_rows),
            (size, [table.name, "table"], table.table_bytes),
            (size, [table.name, "indexes"], table.index_bytes),
            (growth, [table.name], table.growth.bytes_a_day if table.growth else None),
        ):
            if value is not None:
                metric.add_metric(labels, float(value))
    yield from (rows, dead, size, growth)


def _of_indexes(report: DatabaseReport) -> Iterator[Metric]:
    size = GaugeMetricFamily("kyros_index_bytes", "Bytes of the disk.", labels=["table", "index"])
    scans = CounterMetricFamily("kyros_index_scans", "Times it was used.", labels=["table", "index"])
    for table in report.tables:
        for index in table.indexes:
            if index.bytes is not None:
                size.add_metric([table.name, index.name], index.bytes)
            if index.scans is not None:
                scans.add_metric([table.name, index.name], index.scans)
    yield from (size, scans)


def _of_database(report: DatabaseReport) -> Iterator[Metric]:
    yield from _gauge("kyros_db_up", "Whether the database answers.", not report.silent)
    yield from _gauge("kyros_db_bytes", "Bytes of the database.", report.server.get("bytes"))
    yield from _gauge("kyros_db_connections_maximum", "Connections.", report.connections.get("maximum"))
    states = GaugeMetricFamily("kyros_db_connections", "Connections by state.", labels=["state"])
    for state in ("active", "idle", "idle_in_transaction"):
        if state in report.connections:
            states.add_metric([state], report.connections[state])
    lag = GaugeMetricFamily("kyros_replica_lag_seconds", "How far behind a replica is.", labels=["replica"])
    behind = GaugeMetricFamily("kyros_replica_lag_bytes", "How far behind a replica is.", labels=["replica"])
    for replica in report.replication or ():
        lag.add_metric([replica["name"]], replica["lag_seconds"] or 0)
        behind.add_metric([replica["name"]], replica["lag_bytes"] or 0)
    plans = GaugeMetricFamily("kyros_query_plan_ok", "Whether a hot query has its index.", labels=["query"])
    for plan in report.plans:
        plans.add_metric([plan.query], float(plan.ok))
    yield from (states, lag, behind, plans)


def _of_room(report: DatabaseReport) -> Iterator[Metric]:
    disk = report.disk or Disk()
    yield from _gauge("kyros_disk_free_bytes", "Room left for the database.", disk.free_bytes)
    yield from _gauge("kyros_disk_days_left", "Days for which the room lasts.", disk.days)
    days = GaugeMetricFamily(
        "kyros_partition_days_left", "Days for which a table has partitions.", labels=["table"]
    )
    for parted in report.partitioned or ():
        if parted.days is not None:
            days.add_metric([parted.table], parted.days)
    yield days


def _of_findings(report: DatabaseReport) -> Iterator[Metric]:
    found = GaugeMetricFamily("kyros_findings", "Findings of the report.", labels=["level"])
    for level in _LEVELS:
        found.add_metric([level], sum(finding.level == level for finding in report.findings))
    yield found
