"""What each process counts, and how the counts of all processes are added up.

Every process keeps its counts in files of its own in ``settings.METRICS_DIR``, by way of memory that is the
kernel's: a worker that is killed takes none of them along, and whoever is asked adds up the files of all.
Only what holds for the moment, such as a pool's connections, goes with its process.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from django.conf import settings
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

#: Seconds: from an answer out of the cache to one that nobody waits for.
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

# A registry of their own: what is told is read from the files, not from this process alone.
_own = CollectorRegistry()

REQUESTS: Final = Histogram(
    "kyros_http_request_seconds",
    "Requests that the application answered, cached lists aside; by route and class of status.",
    ("method", "route", "status"),
    buckets=_SECONDS,
    registry=_own,
)
STATEMENTS: Final = Histogram(
    "kyros_sql_seconds",
    "SQL statements of requests, without their values.",
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
    "Requests that ran one statement many times: suspects of a query for each row.",
    ("route", "statement"),
    registry=_own,
)
POOL: Final = Gauge(
    "kyros_db_pool",
    "The connection pool of each process.",
    ("alias", "figure"),
    registry=_own,
    multiprocess_mode="liveall",
)


def make_folder() -> None:
    """Make the folder of the counts; the first process that counts does it."""
    Path(settings.METRICS_DIR).mkdir(parents=True, exist_ok=True)


def collected() -> Iterator[Metric]:
    """Yield what all processes have counted, those that have ended included."""
    folder = Path(settings.METRICS_DIR)
    if folder.is_dir():
        _forget_the_dead(folder)
        yield from MultiProcessCollector(None, path=str(folder)).collect()  # type: ignore[no-untyped-call]


def _forget_the_dead(folder: Path) -> None:
    """Remove what held for the moment in a process that has ended."""
    for file in folder.glob("gauge_live*.db"):
        pid = file.stem.rpartition("_")[2]
        if pid.isdigit() and not _lives(int(pid)):
            file.unlink(missing_ok=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
