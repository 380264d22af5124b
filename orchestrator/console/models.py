"""The console's tables: rollups per minute for charts, queues and workers, and operators' bulk changes."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from orchestrator.db.functions import CurrentTimestamp
from orchestrator.limits import MAX_QUEUE_LENGTH, MAX_REASON_LENGTH, MAX_USERNAME_LENGTH, MAX_WORKER_LENGTH


class MinuteRollup(models.Model):
    """Counts of a past minute's job events, computed once so that charts stay cheap."""

    minute = models.BigIntegerField(primary_key=True, help_text="Minutes since 1970, UTC.")
    created = models.BigIntegerField(default=0, db_default=0)
    completed = models.BigIntegerField(default=0, db_default=0)
    failed = models.BigIntegerField(default=0, db_default=0)
    # NULL: no job was started.
    wait = models.FloatField(null=True, help_text="Median seconds from creation to start.")

    class Meta:
        db_table = "console_minutes"

    def __str__(self) -> str:
        return str(self.minute)


class WorkRollup(models.Model):
    """Counts of what one worker did with the jobs of one queue in a past minute.

    Minute 0 has the sums of the minutes that are not kept one by one.
    """

    minute = models.BigIntegerField(help_text="Minutes since 1970, UTC.")
    queue = models.CharField(max_length=MAX_QUEUE_LENGTH)
    worker = models.CharField(max_length=MAX_WORKER_LENGTH)
    started = models.BigIntegerField(default=0, db_default=0)
    completed = models.BigIntegerField(default=0, db_default=0)
    failed = models.BigIntegerField(default=0, db_default=0)
    expired = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        db_table = "console_work"
        constraints: ClassVar = [
            # its index also reads the minutes of the last hour
            models.UniqueConstraint(fields=["minute", "queue", "worker"], name="uq_console_work"),
        ]

    def __str__(self) -> str:
        return f"{self.minute} {self.queue} {self.worker}"


class BulkAction(models.TextChoices):
    """The kinds of bulk changes."""

    RETRY = "retry", "Requeue"
    CANCEL = "cancel", "Cancel"
    PRIORITY = "priority", "Change the priority"
    ACTIVATE = "activate", "Activate"
    DEACTIVATE = "deactivate", "Deactivate"
    DELETE = "delete", "Delete"


class BulkState(models.TextChoices):
    """The states of a bulk change."""

    PREPARED = "prepared", "Prepared"
    RUNNING = "running", "Running"
    STOPPED = "stopped", "Stopped"
    FINISHED = "finished", "Finished"


class BulkChange(models.Model):
    """A change of many rows, made in batches: its kind, its user, its rows and its progress."""

    by = models.CharField(max_length=MAX_USERNAME_LENGTH, help_text="The username of the operator.")
    table = models.CharField(max_length=16, default="jobs", db_default="jobs")
    action = models.CharField(max_length=16, choices=BulkAction)
    # NULL: the action takes no priority.
    priority = models.IntegerField(null=True)
    reason = models.CharField(max_length=MAX_REASON_LENGTH, blank=True, default="", db_default="")
    # Either the ids of selected rows, or the query string of the list whose rows match.
    row_ids = models.JSONField(null=True)
    query = models.TextField(blank=True, default="", db_default="")
    state = models.CharField(
        max_length=16, choices=BulkState, default=BulkState.PREPARED, db_default=BulkState.PREPARED
    )
    # The position of the next batch's page. NULL: at the start.
    position = models.JSONField(null=True)
    changed = models.BigIntegerField(default=0, db_default=0)
    # NULL: too many rows to count.
    total = models.BigIntegerField(null=True)
    created_at = models.DateTimeField(default=timezone.now, db_default=CurrentTimestamp())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "console_bulk_changes"
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"{self.get_action_display()}: {self.changed} {self.table}"

    @property
    def is_open(self) -> bool:
        """Return whether rows may still be changed."""
        return self.state in (BulkState.PREPARED, BulkState.RUNNING)
