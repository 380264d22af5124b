"""Queues and workers: pages, metrics and findings are made from the same reports.

``work_report`` has the queues and the workers. ``monitored_work`` adds what only the monitoring needs.
"""

from orchestrator.console.workload.failing_jobs import FailingJob
from orchestrator.console.workload.queues import QueueFigures
from orchestrator.console.workload.work_report import MonitoredWork, WorkReport, monitored_work, work_report
from orchestrator.console.workload.workers import HeldJob, WorkerFigures

__all__ = [
    "FailingJob",
    "HeldJob",
    "MonitoredWork",
    "QueueFigures",
    "WorkReport",
    "WorkerFigures",
    "monitored_work",
    "work_report",
]
