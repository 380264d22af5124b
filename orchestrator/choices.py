"""Statuses, roles and event types, the groups of statuses, and which status may follow which."""

from types import MappingProxyType
from typing import Final

from django.db import models


class JobStatus(models.TextChoices):
    """The states of a job's life cycle."""

    PENDING = "pending", "Pending"
    RUNNING = "running", "Running"
    COMPLETED = "completed", "Completed"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


#: Statuses that a job can only have once a worker has started it; such a job has a ``started_at``.
STARTED_STATUSES: Final = (JobStatus.RUNNING, JobStatus.COMPLETED, JobStatus.FAILED)

#: Statuses of a job that is no longer worked on; such a job has a ``completed_at``.
ENDED_STATUSES: Final = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)

#: Statuses in which a job cannot be edited: a worker runs it, or it is completed.
LOCKED_STATUSES: Final = (JobStatus.RUNNING, JobStatus.COMPLETED)

#: Which statuses may follow which. Setting a job to its current status changes nothing, so it is not listed.
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
    """Types of the events that the service itself writes to a job's history."""

    CREATED = "job_created", "Job created"
    STARTED = "job_started", "Job started"
    COMPLETED = "job_completed", "Job completed"
    FAILED = "job_failed", "Job failed"
    CANCELLED = "job_cancelled", "Job cancelled"
    REQUEUED = "job_requeued", "Job requeued"
    PROGRESS = "job_progress", "Job progress"
    UPDATED = "job_updated", "Job updated"
    DELETED = "job_deleted", "Job deleted"


#: The type of the event that records a transition to a status.
EVENT_OF_STATUS: Final = MappingProxyType(
    {
        JobStatus.PENDING: JobEvent.REQUEUED,
        JobStatus.RUNNING: JobEvent.STARTED,
        JobStatus.COMPLETED: JobEvent.COMPLETED,
        JobStatus.FAILED: JobEvent.FAILED,
        JobStatus.CANCELLED: JobEvent.CANCELLED,
    }
)


class ArchiveState(models.TextChoices):
    """The states of an archive file."""

    WRITING = "writing", "Being written"
    DISCARDED = "discarded", "Discarded"
    DELETING = "deleting", "Verified; its rows are leaving the table"
    ARCHIVED = "archived", "Archived"
    RESTORING = "restoring", "Being restored"
    RESTORED = "restored", "Restored"


#: States of an archive file that a run is working on, or that it left when it was killed.
OPEN_ARCHIVE_STATES: Final = (
    ArchiveState.WRITING,
    ArchiveState.DISCARDED,
    ArchiveState.DELETING,
    ArchiveState.RESTORING,
)


class Role(models.TextChoices):
    """What a user may do. Each role includes the permissions of the one before it."""

    USER = "user", "User"
    MODERATOR = "moderator", "Moderator"
    ADMIN = "admin", "Admin"

    def covers(self, needed: "Role") -> bool:
        """Return whether this role includes the permissions of ``needed``."""
        return _RANKS[self] >= _RANKS[needed]


_RANKS: Final = {role: rank for rank, role in enumerate(Role)}
