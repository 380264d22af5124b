"""What the monitoring keeps: sizes of tables over time, and findings that somebody has acknowledged."""

from typing import ClassVar

from django.db import models
from django.utils import timezone


class TableSnapshot(models.Model):
    """The size of a table at a moment, at most one an hour."""

    table = models.CharField(max_length=128)
    # The hour, not the minute: two workers that measure at once make one snapshot.
    hour = models.DateTimeField()
    measured_at = models.DateTimeField(default=timezone.now)
    rows = models.BigIntegerField()
    exact = models.BooleanField()
    # NULL: the engine does not tell.
    table_bytes = models.BigIntegerField(null=True)
    index_bytes = models.BigIntegerField(null=True)
    indexes = models.JSONField(default=dict, db_default={}, help_text="Bytes by index.")

    class Meta:
        db_table = "monitoring_table_snapshots"
        constraints: ClassVar = [
            # its index serves the growth of a table: the first snapshot after a moment, and the last one
            models.UniqueConstraint(fields=["table", "hour"], name="uq_snapshots_table_hour"),
        ]

    def __str__(self) -> str:
        return f"{self.table} at {self.measured_at:%Y-%m-%d %H:%M}"


class Acknowledgement(models.Model):
    """A finding that somebody knows of and leaves as it is, for a reason."""

    finding = models.CharField(max_length=200, unique=True)
    reason = models.CharField(max_length=1000)
    by = models.CharField(max_length=150)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "monitoring_acknowledgements"

    def __str__(self) -> str:
        return self.finding
