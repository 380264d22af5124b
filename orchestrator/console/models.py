"""What the console keeps: what happened in each minute, and the changes of many rows that operators began."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from orchestrator.db.functions import CurrentTimestamp
from orchestrator.limits import MAX_REASON_LENGTH, MAX_USERNAME_LENGTH


class MinuteRollup(models.Model):
    """What happened to jobs in a minute that is over: counted once, so that charts are always cheap."""

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


class BulkAction(models.TextChoices):
    """What can be done to many rows at once."""

    RETRY = "retry", "Queue again"
    CANCEL = "cancel", "Cancel"
    PRIORITY = "priority", "BulkOperation the priority"
    ACTIVATE = "activate", "Activate"
    DEACTIVATE = "deactivate", "Deactivate"
    DELETE = "delete", "Delete"


class BulkState(models.TextChoices):
    """Where a change of many rows stands."""

    PREPARED = "prepared", "Prepared"
    RUNNING = "running", "Running"
    STOPPED = "stopped", "Stopped"
    FINISHED = "finished", "Finished"


class BulkChange(models.Model):
    """A change of many rows, done in batches: what was asked for, by whom, and how far it is."""

    by = models.CharField(max_length=MAX_USERNAME_LENGTH, help_text="The user name of who asked for it.")
    table = models.CharField(max_length=16, default="jobs", db_default="jobs")
    action = models.CharField(max_length=16, choices=BulkAction)
    # NULL: the action needs none.
    priority = models.IntegerField(null=True)
    reason = models.CharField(max_length=MAX_REASON_LENGTH, blank=True, default="", db_default="")
    #: Either the rows themselves, or the query string of the list that showed them.
    row_ids = models.JSONField(null=True)
    query = models.TextField(blank=True, default="", db_default="")
    state = models.CharField(
        max_length=16, choices=BulkState, default=BulkState.PREPARED, db_default=BulkState.PREPARED
    )
    # NULL: no row was looked at, or rows need not be: an index finds those that are still to be changed.
    position = models.JSONField(null=True)
    changed = models.BigIntegerField(default=0, db_default=0)
    # NULL: more than were counted.
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
        """Tell whether it can go on."""
        return self.state in (BulkState.PREPARED, BulkState.RUNNING)
