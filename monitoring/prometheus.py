"""Counters and histograms of this process, and their sums over all processes.

Each process publishes its counts in files in ``settings.METRICS_DIR``, so the counts of a killed worker are
not lost, and any process can add up those of all. Gauges, such as the connections of a pool, disappear with
their process.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from django.conf import settings
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.samples import Sample

from monitoring.metrics_file import MetricsFile
from monitoring.processes import is_alive

logger = logging.getLogger(__name__)

# The library has no setting for it; its metrics look the class up when they are made.
values.MmapedDict = MetricsFile  # type: ignore[attr-defined, assignment]

#: Buckets in seconds, from a cache hit to a response that no client waits for.
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

# A registry of its own: the endpoint reads the files of all processes, not this registry.
_own = CollectorRegistry()

REQUESTS: Final = Histogram(
    "kyros_http_request_seconds",
    "Duration of requests that Django handled, by route and class of status. Cache hits bypass Django.",
    ("method", "route", "status"),
    buckets=_BUCKETS,
    registry=_own,
)
STATEMENTS: Final = Histogram(
    "kyros_sql_seconds",
    "Duration of SQL statements of requests, by statement without values.",
    ("statement",),
    buckets=(0.001, 0.01, 0.1, 1.0),
    registry=_own,
)
SLOW_REQUESTS: Final = Counter(
    "kyros_http_slow_requests",
    "Requests that took longer than SLOW_REQUEST_MS.",
    ("route",),
    registry=_own,
)
REPEATED: Final = Counter(
    "kyros_sql_repeated",
    "Requests that ran one statement many times, perhaps once for each row.",
    ("route", "statement"),
    registry=_own,
)
POOL: Final = Gauge(
    "kyros_db_pool",
    "Connection pool of each process.",
    ("alias", "figure"),
    registry=_own,
    multiprocess_mode="liveall",
)


def make_metrics_dir() -> None:
    """Create the directory of the files if it does not exist and if that is possible."""
    try:
        Path(settings.METRICS_DIR).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        logger.warning("Metrics are not published: %s", error)


def collect() -> Iterator[Metric]:
    """Yield the metrics of all processes, those that have ended included."""
    directory = Path(settings.METRICS_DIR)
    _remove_gauges_of_dead_processes(directory)
    files = [str(file) for file in directory.glob("*.db") if _has_values(file)]
    yield from MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]


def _has_values(file: Path) -> bool:
    try:
        return file.stat().st_size > 0  # 0: its process has found no space since it started
    except FileNotFoundError:  # another process has removed it
        return False


def samples(name: str) -> Iterator[Sample]:
    """Yield the samples of one metric of all processes."""
    for metric in collect():
        if metric.name == name:
            yield from metric.samples


def _remove_gauges_of_dead_processes(directory: Path) -> None:
    for file in directory.glob("gauge_live*.db"):
        pid = file.stem.rpartition("_")[2]
        if pid.isdigit() and not is_alive(int(pid)):
            file.unlink(missing_ok=True)
