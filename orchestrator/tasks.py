"""Celery tasks. Each has the name of the management command that does the same."""

from typing import Final

from celery import shared_task

from orchestrator import background

#: Number of cached responses that one audit compares.
_SAMPLE_SIZE: Final = 200


@shared_task
def fold_counts() -> None:
    """Fold the rows that writers appended to the exact counts."""
    background.fold_counts()


@shared_task
def requeue_expired() -> None:
    """Give back jobs whose lease has run out, and make jobs due whose time has come."""
    background.requeue_expired()


@shared_task
def roll_up_minutes() -> None:
    """Update the rollups of the minutes that are over. Opening the dashboard does the same."""
    background.roll_up_minutes()


@shared_task
def cache_audit() -> None:
    """Compare cached responses with the database."""
    background.cache_audit(_SAMPLE_SIZE)


@shared_task
def prune_idempotency_keys() -> None:
    """Delete the idempotency keys that have expired."""
    background.prune_idempotency_keys()


@shared_task
def archive() -> None:
    """Archive the jobs and events whose retention has passed."""
    background.archive()


@shared_task
def partition_events() -> None:
    """Create coming partitions of events and detach expired ones; a plain table stays plain."""
    background.partition_events()


@shared_task
def run_bulk_changes() -> None:
    """Go on with the bulk changes that operators have started in the console."""
    background.run_bulk_changes()
