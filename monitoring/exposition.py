"""The ``/metrics`` document: figures of the database report, and the counters of all processes."""

import time
from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from monitoring import prometheus
from monitoring.cache_report import CacheHealth
from monitoring.disk_space import Disk
from monitoring.report import database_report
from monitoring.report_data import DatabaseReport
from monitoring.timeouts import TimeBudget

#: Seconds for which a process reuses its report: several scrapers cost no more than one.
_REPORT_TTL: Final = 5.0

_LEVELS: Final = ("info", "warning", "critical")
_STATUSES: Final = ("healthy", "degraded", "unhealthy", "disabled")

_last: tuple[float, DatabaseReport] | None = None


def metrics_text(budget: TimeBudget) -> bytes:
    """Return all metrics in Prometheus' text format.

    Args:
        budget: the time budget for servers that do not respond.
    """
    registry = CollectorRegistry()
    registry.register(_ReportCollector(budget))
    registry.register(_ProcessCollector())
    return generate_latest(registry)


class _ProcessCollector(Collector):
    def collect(self) -> Iterator[Metric]:
        yield from prometheus.collect()


class _ReportCollector(Collector):
    def __init__(self, budget: TimeBudget) -> None:
        self._budget = budget

    def collect(self) -> Iterator[Metric]:
        report = _report(self._budget)
        yield from _cache(report.cache)
        yield from _cache_families(report.cache)
        yield from _tables(report)
        yield from _indexes(report)
        yield from _database(report)
        yield from _disk(report.disk or Disk())
        yield from _findings(report)


def _report(budget: TimeBudget) -> DatabaseReport:
    global _last  # noqa: PLW0603 - one cached report for the process
    now = time.monotonic()
    if _last is None or now - _last[0] > _REPORT_TTL:
        _last = (now, database_report(budget=budget))
    return _last[1]


def _gauge(name: str, text: str, value: float | None) -> Iterator[Metric]:
    metric = GaugeMetricFamily(name, text)
    if value is not None:
        metric.add_metric([], float(value))
    yield metric


def _cache(health: CacheHealth) -> Iterator[Metric]:
    status = GaugeMetricFamily("kyros_cache_status", "1 for the cache's current status.", labels=["status"])
    for name in _STATUSES:
        status.add_metric([name], float(health.status == name))
    yield status
    yield from _gauge("kyros_cache_up", "Whether the cache server responds.", health.connection)
    figures, waiting = health.figures, health.outbox
    if figures:
        yield from _gauge("kyros_cache_ping_seconds", "Duration of a ping.", figures.latency_ms / 1000)
        yield from _gauge("kyros_cache_memory_bytes", "Memory in use.", figures.memory_bytes)
        yield from _gauge("kyros_cache_memory_limit_bytes", "Memory limit.", figures.memory_limit_bytes)
        yield from _gauge("kyros_cache_clients", "Open connections.", figures.connected_clients)
        yield from _gauge("kyros_cache_uptime_seconds", "Time since the start.", figures.uptime_seconds)
        evicted = CounterMetricFamily("kyros_cache_evicted_keys", "Keys evicted for lack of memory.")
        evicted.add_metric([], figures.evicted_keys)
        yield evicted
    if waiting:
        yield from _gauge("kyros_cache_outbox_rows", "Waiting invalidations.", waiting.length)
        yield from _gauge("kyros_cache_outbox_seconds", "Age of the oldest one.", waiting.oldest_seconds)


def _cache_families(health: CacheHealth) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "kyros_cache_requests", "Requests for cacheable responses.", labels=["family", "outcome"]
    )
    invalidations = CounterMetricFamily(
        "kyros_cache_invalidations", "Invalidations by writes.", labels=["family"]
    )
    for name, family in health.families.items():
        if family.total is not None:
            requests.add_metric([name, "hit"], family.total.hits)
            requests.add_metric([name, "miss"], family.total.misses)
            requests.add_metric([name, "bypass"], family.total.bypasses)
            invalidations.add_metric([name], family.invalidations or 0)
    audited = GaugeMetricFamily(
        "kyros_cache_audited_hour",
        "Cached responses compared with the database in the last hour.",
        labels=["verdict"],
    )
    for verdict, number in health.audited.items():
        audited.add_metric([verdict], number)
    yield from (requests, invalidations, audited)


def _tables(report: DatabaseReport) -> Iterator[Metric]:
    rows = GaugeMetricFamily("kyros_table_rows", "Rows.", labels=["table"])
    dead = GaugeMetricFamily("kyros_table_dead_rows", "Dead rows that vacuum removes.", labels=["table"])
    size = GaugeMetricFamily("kyros_table_bytes", "Bytes on disk.", labels=["table", "part"])
    growth = GaugeMetricFamily("kyros_table_growth_bytes_per_day", "Growth in a day.", labels=["table"])
    for table in report.tables:
        for metric, labels, value in (
            (rows, [table.name], table.row_count),
            (dead, [table.name], table.dead_rows),
            (size, [table.name, "table"], table.table_bytes),
            (size, [table.name, "indexes"], table.index_bytes),
            (growth, [table.name], table.bytes_per_day),
        ):
            if value is not None:
                metric.add_metric(labels, float(value))
    yield from (rows, dead, size, growth)


def _indexes(report: DatabaseReport) -> Iterator[Metric]:
    size = GaugeMetricFamily("kyros_index_bytes", "Bytes on disk.", labels=["table", "index"])
    scans = CounterMetricFamily("kyros_index_scans", "Scans of an index.", labels=["table", "index"])
    for table in report.tables:
        for index in table.indexes:
            if index.bytes is not None:
                size.add_metric([table.name, index.name], index.bytes)
            if index.scans is not None:
                scans.add_metric([table.name, index.name], index.scans)
    yield from (size, scans)


def _database(report: DatabaseReport) -> Iterator[Metric]:
    yield from _gauge("kyros_db_up", "Whether the database responds.", not report.database_down)
    yield from _gauge("kyros_db_bytes", "Size of the database.", report.server.get("bytes"))
    maximum = report.connections.get("maximum")
    yield from _gauge("kyros_db_connections_maximum", "Maximum number of connections.", maximum)
    states = GaugeMetricFamily("kyros_db_connections", "Connections by state.", labels=["state"])
    for state in ("active", "idle", "idle_in_transaction"):
        if state in report.connections:
            states.add_metric([state], report.connections[state])
    lag = GaugeMetricFamily("kyros_replica_lag_seconds", "Lag of a replica in time.", labels=["replica"])
    behind = GaugeMetricFamily("kyros_replica_lag_bytes", "Lag of a replica in bytes.", labels=["replica"])
    for replica in report.replication or ():
        lag.add_metric([replica["name"]], replica["lag_seconds"] or 0)
        behind.add_metric([replica["name"]], replica["lag_bytes"] or 0)
    plans = GaugeMetricFamily("kyros_query_plan_ok", "Whether a query uses its index.", labels=["query"])
    for plan in report.plans:
        plans.add_metric([plan.query], float(plan.ok))
    yield from (states, lag, behind, plans)


def _disk(disk: Disk) -> Iterator[Metric]:
    yield from _gauge("kyros_disk_free_bytes", "Free space on the database's disk.", disk.free_bytes)
    yield from _gauge("kyros_disk_days_left", "Days until the disk is full.", disk.days_left)


def _findings(report: DatabaseReport) -> Iterator[Metric]:
    found = GaugeMetricFamily("kyros_findings", "Findings of the report.", labels=["level"])
    for level in _LEVELS:
        found.add_metric([level], sum(finding.level == level for finding in report.findings))
    yield found
