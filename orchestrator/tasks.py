"""Tasks of the background worker. Each has the name of the command that does the same."""

from typing import Final

from celery import shared_task
from django.utils import timezone

from orchestrator import counts
from orchestrator.api.replay import replay
from orchestrator.cache import audit, client
from orchestrator.console import rollups

#: Cached responses that one audit compares.
SAMPLE: Final = 200


@shared_task
def fold_counts() -> None:
    """Fold the changes that writers appended into the counts."""
    counts.fold()


@shared_task
def roll_up_minutes() -> None:
    """Count what happened in the minutes that are over. The dashboard does so too when it is opened."""
    rollups.update_rollups(timezone.now())


@shared_task
def cache_audit() -> None:
    """Compare cached responses with the database."""
    audit.audit(audit.cached_keys(client.current(), SAMPLE), replay)
