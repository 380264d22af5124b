"""Rules about background tasks."""

from collections.abc import Iterator

from django.utils import timezone

from monitoring.findings import Finding
from monitoring.formatting import iso_timestamp
from monitoring.report_data import DatabaseReport
from monitoring.task_runs import TaskFigures


def overdue(report: DatabaseReport) -> Iterator[Finding]:
    """Find tasks that have not succeeded for too long, and those that nothing has ever run."""
    late = [task for task in report.background if task.is_overdue(timezone.now())]
    if never := [task for task in late if not task.runs]:
        # Nothing breaks without them, so this may be on purpose.
        yield Finding(
            "background:none",
            "info",
            "Nothing runs these background tasks",
            {"tasks": [task.name for task in never], "since": _since(never[0])},
            "celery --app kyros worker --beat",
        )
    for task in late:
        if task.runs:
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
    return None if task.waiting_since is None else iso_timestamp(task.waiting_since)
