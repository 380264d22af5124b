"""Metrics of queues and workers for Prometheus. No label has an unbounded number of values."""

from collections.abc import Callable, Iterator
from typing import Final

from monitoring.registry import AppMetric
from orchestrator.console.workload.queues import QueueFigures
from orchestrator.console.workload.work_report import MonitoredWork

#: The label of all queues that the report does not list.
OTHER: Final = "other"


def work_metrics(work: MonitoredWork) -> tuple[AppMetric, ...]:
    """Return the metrics of a report."""
    return (*_queues(work), *_jobs(work), *_workers(work))


def _queues(work: MonitoredWork) -> Iterator[AppMetric]:
    queues = work.report.queues
    pending = _by_queue(queues.queues, lambda queue: queue.pending)
    running = _by_queue(queues.queues, lambda queue: queue.running)
    if queues.number > len(queues.queues):  # a queue may have this name
        pending[OTHER,] = pending.get((OTHER,), 0) + queues.other_pending
        running[OTHER,] = running.get((OTHER,), 0) + queues.other_running
    yield _queue_gauge("kyros_queue_pending_jobs", "Pending jobs.", pending)
    yield _queue_gauge("kyros_queue_running_jobs", "Running jobs.", running)
    oldest = _by_queue(queues.queues, lambda queue: queue.oldest_due_seconds or 0)
    yield _queue_gauge("kyros_queue_oldest_due_seconds", "How long the oldest due job has waited.", oldest)
    stalled = _by_queue(queues.queues, lambda queue: queue.state == "stalled")
    yield _queue_gauge("kyros_queue_stalled", "Whether jobs are due and no worker takes them.", stalled)
    finished = _by_queue(queues.queues, lambda queue: queue.hour.finished)
    yield _queue_gauge("kyros_queue_finished_hour", "Jobs that ended in the last hour.", finished)


def _by_queue(
    queues: tuple[QueueFigures, ...], value: Callable[[QueueFigures], float]
) -> dict[tuple[str, ...], float]:
    return {(queue.name,): value(queue) for queue in queues}


def _queue_gauge(name: str, text: str, values: dict[tuple[str, ...], float]) -> AppMetric:
    return AppMetric("gauge", name, text, ("queue",), values)


def _jobs(work: MonitoredWork) -> Iterator[AppMetric]:
    """Yield counters. A minute counts when it is over, so they are behind by one or two."""
    counters = (
        ("claimed", "Jobs that were started.", work.ever.started),
        ("completed", "Jobs that were completed.", work.ever.completed),
        ("failed", "Jobs that failed.", work.ever.failed),
    )
    for name, text, value in counters:
        yield AppMetric("counter", f"kyros_jobs_{name}", text, (), {(): value})
    yield AppMetric("counter", "kyros_leases_expired", "Leases that ran out.", (), {(): work.ever.expired})


def _workers(work: MonitoredWork) -> Iterator[AppMetric]:
    workers = work.report.workers
    yield AppMetric("gauge", "kyros_leases_held", "Jobs that workers have.", (), {(): workers.leases})
    states: dict[tuple[str, ...], float | None] = {
        (state,): number for state, number in workers.by_state.items()
    }
    yield AppMetric("gauge", "kyros_workers", "Workers seen in the last day, by state.", ("state",), states)
