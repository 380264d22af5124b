"""What the background worker does for the monitoring."""

from celery import shared_task

from monitoring import snapshots


@shared_task
def snapshot_tables() -> None:
    """Measure the tables; ``manage.py snapshot_tables`` does the same."""
    snapshots.take()
