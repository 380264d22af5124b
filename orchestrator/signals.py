"""When a row changes, what is stale: one line each. The triggers tell the rest, such as a former status."""

from functools import partial
from typing import Any

from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from orchestrator.auth import cached_users
from orchestrator.cache import families
from orchestrator.cache.transactions import announce
from orchestrator.models import Event, Job, Task, User


@receiver([post_save, post_delete], sender=Job)
def job_changed(instance: Job, using: str, **_: Any) -> None:
    """Make the lists and details that show this job stale."""
    announce(using, families.JOBS, families.jobs_in(instance.status), families.job(instance.pk))


@receiver([post_save, post_delete], sender=Event)
def event_changed(instance: Event, using: str, **_: Any) -> None:
    """Make the lists and histories that show this event stale."""
    announce(using, families.EVENTS, *families.of_event(instance.type, instance.job_id))


@receiver([post_save, post_delete], sender=Task)
def task_changed(instance: Task, using: str, **_: Any) -> None:
    """Make the lists and details that show this task stale."""
    announce(using, families.TASKS, families.task(instance.pk))


@receiver([post_save, post_delete], sender=User)
def user_changed(instance: User, using: str, **_: Any) -> None:
    """Make the lists, details and sign-in data that show this user stale."""
    announce(using, families.USERS, families.user(instance.pk))
    # What they may do now is known from now on, should the database fall silent.
    transaction.on_commit(partial(cached_users.find, instance.pk), using=using, robust=True)
