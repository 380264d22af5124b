"""What the background worker does for the orchestrator."""

from typing import Final

from celery import shared_task
from django.utils import timezone

from orchestrator import counts
from orchestrator.api.replay import replay
from orchestrator.cache import audit, server
from orchestrator.console import minutes

#: Cached answers that one audit looks at.
SAMPLE: Final = 200


@shared_task
def fold_counts() -> None:
    """Fold what writers appended to the counts; ``manage.py fold_counts`` does the same."""
    counts.fold()


@shared_task
def count_minutes() -> None:
    """Count what happened in the minutes that are over; the console's charts do so too when looked at."""
    minutes.keep_up(timezone.now())


@shared_task
def audit_cache() -> None:
    """Compare cached answers with the database; ``manage.py cache_audit`` does the same."""
    audit.audit(audit.cached_recipes(server.current(), SAMPLE), replay)
