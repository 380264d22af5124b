"""The background worker and its schedule: ``celery --app kyros worker --beat``.

Every task is also a command, holds a lease in the database while it runs, and may safely run twice at once.
So several workers may run side by side, and cron can run the commands instead of a worker
(``docs/operations.md``).
"""

from typing import Any

from celery import Celery
from celery.schedules import crontab
from django.conf import settings

from kyros.beat_table import ScheduledTask
from kyros.bootstrap import load_settings

load_settings()

app = Celery("kyros")
app.config_from_object("django.conf:settings", namespace="CELERY")


def beat_entry(task: ScheduledTask) -> dict[str, Any]:
    """Return a task's entry in the beat table. A run that is late by more than its interval is dropped."""
    times = float(task.every) if task.is_frequent else crontab(minute=task.minute, hour=task.hours)
    return {"task": task.path, "schedule": times, "options": {"expires": task.every}}


app.conf.beat_schedule = {task.path: beat_entry(task) for task in settings.BACKGROUND_TASKS}
# Only a pool of processes enforces these limits.
app.conf.task_annotations = {
    task.path: {"soft_time_limit": task.soft_limit, "time_limit": task.hard_limit}
    for task in settings.BACKGROUND_TASKS
}
app.autodiscover_tasks()
