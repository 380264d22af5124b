"""Signal receivers that invalidate the cache tags of a changed row.

The database's triggers add the tags that a signal cannot know, such as that of the former status.
"""

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
    """Invalidate the cached responses that show this row, and the cached user if it is one."""
    invalidate(using, *tags.of_row(instance))
