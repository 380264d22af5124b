"""The ``/metrics`` document: figures of the database report, and the counters of all processes."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from monitoring import prometheus, registry
from monitoring.cache_report import CacheHealth, Status
from monitoring.disk_space import Disk
from monitoring.findings import Level
from monitoring.report import database_report
from monitoring.report_data import DatabaseReport
from monitoring.timeouts import TimeBudget

#: Seconds for which a process reuses its report: several scrapers cost no more than one.
_REPORT_TTL: Final = 5.0

#: Values of a metric by the values of its labels; None is left out.
_Values = Mapping[Any, float | None]

_last: tuple[float, DatabaseReport] | None = None


def metrics_text(budget: TimeBudget) -> bytes:
    """Return all metrics in Prometheus' text format.

    Args:
        budget: the time budget for servers that do not respond.
    """
    collectors = CollectorRegistry()
    collectors.register(_AllMetrics(budget))
    return generate_latest(collectors)


class _AllMetrics(Collector):
    def __init__(self, budget: TimeBudget) -> None:
        self._budget = budget

    def collect(self) -> Iterator[Metric]:
        report = _report(self._budget)
        yield from _cache(report.cache)
        yield from _cache_families(report.cache)
        yield from _tables(report)
        yield from _database(report)
        yield from _findings(report)
        yield from _background(report)
        yield from _own(report)
        yield from prometheus.collect()


def _report(budget: TimeBudget) -> DatabaseReport:
    global _last  # noqa: PLW0603 - one cached report for the process
    now = time.monotonic()
    if _last is None or now - _last[0] > _REPORT_TTL:
        _last = (now, database_report(budget=budget))
    return _last[1]


def _gauge(name: str, text: str, value: float | None) -> Metric:
    return _gauges(name, text, (), {(): value})


def _gauges(name: str, text: str, labels: tuple[str, ...], values: _Values) -> Metric:
    return _filled(GaugeMetricFamily(name, text, labels=labels), values)


def _counters(name: str, text: str, labels: tuple[str, ...], values: _Values) -> Metric:
    return _filled(CounterMetricFamily(name, text, labels=labels), values)


def _filled(metric: GaugeMetricFamily | CounterMetricFamily, values: _Values) -> Metric:
    for labels, value in values.items():
        if value is not None:
            metric.add_metric(labels, float(value))
    return metric


def _cache(health: CacheHealth) -> Iterator[Metric]:
    statuses = {(name,): health.status == name for name in get_args(Status)}
    yield _gauges("kyros_cache_status", "1 for the cache's current status.", ("status",), statuses)
    yield _gauge("kyros_cache_up", "Whether the cache server responds.", health.connection)
    if figures := health.figures:
        yield _gauge("kyros_cache_ping_seconds", "Duration of a ping.", figures.latency_ms / 1000)
        yield _gauge("kyros_cache_memory_bytes", "Memory in use.", figures.memory_bytes)
        yield _gauge("kyros_cache_memory_limit_bytes", "Memory limit.", figures.memory_limit_bytes)
        evicted = {(): figures.evicted_keys}
        yield _counters("kyros_cache_evicted_keys", "Keys evicted for lack of memory.", (), evicted)
    if waiting := health.outbox:
        yield _gauge("kyros_cache_outbox_rows", "Waiting invalidations.", waiting.length)
        yield _gauge("kyros_cache_outbox_seconds", "Age of the oldest one.", waiting.oldest_seconds)


def _cache_families(health: CacheHealth) -> Iterator[Metric]:
    requests: dict[tuple[str, ...], float] = {}
    for name, family in health.families.items():
        if family.total is not None:
            requests[name, "hit"] = family.total.hits
            requests[name, "miss"] = family.total.misses
            requests[name, "bypass"] = family.total.bypasses
    labels = ("family", "outcome")
    yield _counters("kyros_cache_requests", "Requests for cacheable responses.", labels, requests)
    invalidations = {(name,): family.invalidations for name, family in health.families.items()}
    yield _counters("kyros_cache_invalidations", "Invalidations by writes.", ("family",), invalidations)
    audited = {(verdict,): number for verdict, number in health.audited.items()}
    text = "Cached responses compared with the database in the last hour."
    yield _gauges("kyros_cache_audited_hour", text, ("verdict",), audited)


def _tables(report: DatabaseReport) -> Iterator[Metric]:
    sizes: dict[tuple[str, ...], float | None] = {}
    for table in report.tables:
        sizes[table.name, "table"], sizes[table.name, "indexes"] = table.table_bytes, table.index_bytes
    yield _gauges("kyros_table_bytes", "Bytes on disk.", ("table", "part"), sizes)
    rows = {(table.name,): table.row_count for table in report.tables}
    yield _gauges("kyros_table_rows", "Rows.", ("table",), rows)
    dead = {(table.name,): table.dead_rows for table in report.tables}
    yield _gauges("kyros_table_dead_rows", "Dead rows that vacuum removes.", ("table",), dead)
    growth = {(table.name,): table.bytes_per_day for table in report.tables}
    yield _gauges("kyros_table_growth_bytes_per_day", "Growth in a day.", ("table",), growth)
    scans = {(table.name, index.name): index.scans for table in report.tables for index in table.indexes}
    yield _counters("kyros_index_scans", "Scans of an index.", ("table", "index"), scans)


def _database(report: DatabaseReport) -> Iterator[Metric]:
    yield _gauge("kyros_db_up", "Whether the database responds.", not report.database_down)
    yield _gauge("kyros_db_bytes", "Size of the database.", report.server.get("bytes"))
    maximum = report.connections.get("maximum")
    yield _gauge("kyros_db_connections_maximum", "Maximum number of connections.", maximum)
    states = {(state,): report.connections.get(state) for state in ("active", "idle", "idle_in_transaction")}
    yield _gauges("kyros_db_connections", "Connections by state.", ("state",), states)
    replicas = report.replication or ()
    seconds = {(replica["name"],): replica["lag_seconds"] or 0 for replica in replicas}
    yield _gauges("kyros_replica_lag_seconds", "Lag of a replica in time.", ("replica",), seconds)
    size = {(replica["name"],): replica["lag_bytes"] or 0 for replica in replicas}
    yield _gauges("kyros_replica_lag_bytes", "Lag of a replica in bytes.", ("replica",), size)
    up = {(replica["alias"],): replica["responds"] for replica in report.replicas}
    yield _gauges("kyros_replica_up", "Whether a replica of the settings responds.", ("replica",), up)
    plans = {(plan.query,): plan.ok for plan in report.plans}
    yield _gauges("kyros_query_plan_ok", "Whether a query uses its index.", ("query",), plans)
    disk = report.disk or Disk()
    yield _gauge("kyros_disk_free_bytes", "Free space on the database's disk.", disk.free_bytes)
    yield _gauge("kyros_disk_days_left", "Days until the disk is full.", disk.days_left)


def _findings(report: DatabaseReport) -> Iterator[Metric]:
    levels = [finding.level for finding in report.findings]
    numbers = {(level,): levels.count(level) for level in get_args(Level)}
    yield _gauges("kyros_findings", "Findings of the report.", ("level",), numbers)


def _background(report: DatabaseReport) -> Iterator[Metric]:
    runs: dict[tuple[str, ...], float | None] = {}
    done: dict[tuple[str, ...], float | None] = {}
    for task in report.background:
        runs[task.name, "failed"], runs[task.name, "succeeded"] = task.failures, task.runs - task.failures
        done |= {(task.name, what): number for what, number in task.done.items()}
    yield _counters("kyros_background_runs", "Runs of a background task.", ("task", "outcome"), runs)
    yield _counters("kyros_background_done", "What the runs have done.", ("task", "what"), done)
    seconds = {(task.name,): task.seconds for task in report.background}
    yield _counters("kyros_background_seconds", "Seconds that the runs took.", ("task",), seconds)
    succeeded = {
        (task.name,): task.succeeded_at.timestamp() if task.succeeded_at else None
        for task in report.background
    }
    text = "Unix time of the last success."
    yield _gauges("kyros_background_success_timestamp_seconds", text, ("task",), succeeded)
    overdue = {(task.name,): task.is_overdue(timezone.now()) for task in report.background}
    yield _gauges(
        "kyros_background_overdue", "Whether a task has not succeeded for too long.", ("task",), overdue
    )


def _own(report: DatabaseReport) -> Iterator[Metric]:
    """Yield the metrics of the application."""
    if report.own_figures is None:
        return
    for metric in registry.monitored_app().metrics(report.own_figures):
        make = _counters if metric.kind == "counter" else _gauges
        yield make(metric.name, metric.text, metric.labels, metric.values)
