"""Tasks of the background worker. Each has the name of the command that does the same."""

from celery import shared_task

from monitoring import snapshots


@shared_task
def snapshot_tables() -> None:
    """Measure the tables and store the result."""
    snapshots.take_in_background()
