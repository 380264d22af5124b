"""Snapshots of table sizes, acknowledged findings, and runs of background tasks."""

from typing import ClassVar

from django.db import models
from django.utils import timezone


class TableSnapshot(models.Model):
    """The size of a table, measured at most once an hour."""

    table = models.CharField(max_length=128)
    # With the table it is unique: two workers that measure at the same time create one snapshot.
    hour = models.DateTimeField()
    measured_at = models.DateTimeField(default=timezone.now)
    rows = models.BigIntegerField()
    exact = models.BooleanField()
    # NULL: the engine does not provide the size.
    table_bytes = models.BigIntegerField(null=True)
    index_bytes = models.BigIntegerField(null=True)
    indexes = models.JSONField(default=dict, db_default={}, help_text="Bytes by index.")

    class Meta:
        db_table = "monitoring_table_snapshots"
        constraints: ClassVar = [
            # its index serves growth: a table's first snapshot since a time, and its last one
            models.UniqueConstraint(fields=["table", "hour"], name="uq_snapshots_table_hour"),
        ]

    def __str__(self) -> str:
        return f"{self.table} at {self.measured_at:%Y-%m-%d %H:%M}"


class Acknowledgement(models.Model):
    """A finding that an operator has accepted, and why."""

    finding = models.CharField(max_length=200, unique=True)
    reason = models.CharField(max_length=1000)
    by = models.CharField(max_length=150)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "monitoring_acknowledgements"

    def __str__(self) -> str:
        return self.finding


class BackgroundTask(models.Model):
    """What the runs of a background task did, and the lease of the run that is under way."""

    name = models.CharField(max_length=64, primary_key=True)
    # A random token of the run that is under way, and when its lease ends. Empty and NULL: none is.
    holder = models.CharField(max_length=16, blank=True, default="", db_default="")
    leased_until = models.DateTimeField(null=True, help_text="By the database's clock.")
    runs = models.BigIntegerField(default=0, db_default=0)
    failures = models.BigIntegerField(default=0, db_default=0)
    seconds = models.FloatField(default=0, db_default=0, help_text="The sum over all runs.")
    done = models.JSONField(default=dict, db_default={}, help_text="Sums of what the runs report.")
    # NULL: never.
    started_at = models.DateTimeField(null=True)
    succeeded_at = models.DateTimeField(null=True)
    # Empty after a success.
    error = models.CharField(max_length=100, blank=True, default="", db_default="")

    class Meta:
        db_table = "monitoring_background_tasks"

    def __str__(self) -> str:
        return self.name
