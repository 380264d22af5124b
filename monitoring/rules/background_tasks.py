"""Rules about background tasks."""

from collections.abc import Iterator

from django.utils import timezone

from monitoring.findings import Finding
from monitoring.formatting import iso_timestamp
from monitoring.report_data import DatabaseReport
from monitoring.task_runs import TaskFigures


def overdue(report: DatabaseReport) -> Iterator[Finding]:
    """Find tasks that have not succeeded for too long. If none has, nothing runs them."""
    late = [task for task in report.background if task.is_overdue(timezone.now())]
    if late and not any(task.runs for task in report.background):
        yield Finding(
            "background:none",
            "warning",
            "Nothing runs the background tasks",
            {"tasks": [task.name for task in late], "since": _since(late[0])},
            "celery --app kyros worker --beat",
        )
        return
    for task in late:
        yield Finding(
            f"background:overdue:{task.name}",
            "warning",
            f"The background task {task.name} has not succeeded for too long",
            {
                "since": _since(task),
                "every_seconds": task.every,
                "failures": task.failures,
                "error": task.error,
            },
            f"python manage.py {task.name}",
        )


def _since(task: TaskFigures) -> str | None:
    """Return the timestamp since which a task has not succeeded."""
    return iso_timestamp(task.waiting_since) if task.waiting_since else None
