"""Celery tasks. Each has the name of the management command that does the same."""

from typing import Final

from celery import shared_task
from django.utils import timezone

from orchestrator import counts
from orchestrator.api.replay import replay
from orchestrator.cache import audit, client
from orchestrator.console import rollups
from orchestrator.leases import expiry
from orchestrator.submission import idempotency

#: Number of cached responses that one audit compares.
_SAMPLE_SIZE: Final = 200


@shared_task
def fold_counts() -> None:
    """Fold the rows that writers appended to the exact counts."""
    counts.fold()


@shared_task
def requeue_expired() -> None:
    """Give back jobs whose lease has run out, and make jobs due whose time has come."""
    expiry.requeue_expired()


@shared_task
def roll_up_minutes() -> None:
    """Update the rollups of the minutes that are over. Opening the dashboard does the same."""
    rollups.update_rollups(timezone.now())


@shared_task
def cache_audit() -> None:
    """Compare cached responses with the database."""
    audit.audit(audit.cached_keys(client.current(), _SAMPLE_SIZE), replay)


@shared_task
def prune_idempotency_keys() -> None:
    """Delete the idempotency keys that have expired."""
    idempotency.prune()
