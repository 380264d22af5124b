"""The background worker and its timetable: ``celery --app kyros worker --beat``.

What it runs are functions that commands call too, each safe to run twice at once: several workers do not
disturb each other, and without any the same is done from cron (``docs/runbook/background-work.md``).
"""

from celery import Celery

from kyros.bootstrap import load_settings

load_settings()

app = Celery("kyros")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
