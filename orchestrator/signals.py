"""When a row changes, its tags are stale. The triggers add what no signal knows: a former status."""

from typing import Any

from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from orchestrator.cache import tags
from orchestrator.cache.commit_hook import invalidate
from orchestrator.models import Event, Job, Task, User


@receiver([post_save, post_delete], sender=Job)
@receiver([post_save, post_delete], sender=Event)
@receiver([post_save, post_delete], sender=Task)
@receiver([post_save, post_delete], sender=User)
def row_changed(instance: Event | Job | Task | User, using: str, **_: Any) -> None:
    """Make the lists, details and sign-in data that show this row stale."""
    invalidate(using, *tags.of_row(instance))
