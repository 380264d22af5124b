"""Statuses, roles and event types: what they are called, how they group, and which may follow which."""

from types import MappingProxyType
from typing import Final

from django.db import models


class JobStatus(models.TextChoices):
    """Where a job is in its life."""

    PENDING = "pending", "Pending"
    RUNNING = "running", "Running"
    COMPLETED = "completed", "Completed"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


#: Statuses a job can only be in once a worker has started it.
STARTED_STATUSES: Final = (JobStatus.RUNNING, JobStatus.COMPLETED, JobStatus.FAILED)

#: Statuses of a job that nobody works on any more; such a job has a ``completed_at``.
ENDED_STATUSES: Final = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)

#: Which statuses may follow which. A status that is missing from its own tuple is a no-op, not a change.
TRANSITIONS: Final = MappingProxyType(
    {
        JobStatus.PENDING: (JobStatus.RUNNING, JobStatus.CANCELLED),
        JobStatus.RUNNING: (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.PENDING),
        JobStatus.FAILED: (JobStatus.PENDING,),
        JobStatus.CANCELLED: (JobStatus.PENDING,),
        JobStatus.COMPLETED: (),
    }
)


class JobEvent(models.TextChoices):
    """Types of the events that the service itself writes into a job's history."""

    CREATED = "job_created", "Job created"
    STARTED = "job_started", "Job started"
    COMPLETED = "job_completed", "Job completed"
    FAILED = "job_failed", "Job failed"
    CANCELLED = "job_cancelled", "Job cancelled"
    REQUEUED = "job_requeued", "Job requeued"
    UPDATED = "job_updated", "Job updated"
    DELETED = "job_deleted", "Job deleted"


#: The event that tells of a job's arrival in a status by a transition.
EVENT_OF_STATUS: Final = MappingProxyType(
    {
        JobStatus.PENDING: JobEvent.REQUEUED,
        JobStatus.RUNNING: JobEvent.STARTED,
        JobStatus.COMPLETED: JobEvent.COMPLETED,
        JobStatus.FAILED: JobEvent.FAILED,
        JobStatus.CANCELLED: JobEvent.CANCELLED,
    }
)


class Role(models.TextChoices):
    """What a user may do; each role may all that the one before it may."""

    USER = "user", "User"
    MODERATOR = "moderator", "Moderator"
    ADMIN = "admin", "Admin"

    @property
    def rank(self) -> int:
        """Return this role's place in the order user < moderator < admin, from 0."""
        return _RANKS[self]

    def covers(self, needed: "Role") -> bool:
        """Tell whether this role may do what ``needed`` may."""
        return self.rank >= needed.rank


_RANKS: Final = {role: rank for rank, role in enumerate(Role)}
