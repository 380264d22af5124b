"""The background worker and its schedule: ``celery --app kyros worker --beat``.

Every task is also a command and may safely run twice at once. So several workers may run side by side, and
cron can run the commands instead of a worker (``docs/operations.md``).
"""

from celery import Celery

from kyros.bootstrap import load_settings

load_settings()

app = Celery("kyros")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
