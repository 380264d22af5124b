"""Indexes of the jobs by how long they waited and took, for the filters started_after and completed_after.

What they cost in bytes and on writes is measured in docs/performance-indexes.md.
"""

from django.db import migrations, models

from orchestrator.expressions import DigitsOfSeconds
from orchestrator.operations import AddIndexUnderWrites, RunEngineSQL


class Migration(migrations.Migration):
    # Indexes that are built concurrently cannot be built in a transaction.
    atomic = False

    dependencies = [("orchestrator", "0007_console_lists")]

    operations = [
        RunEngineSQL("0008_jobs_by_duration"),
        AddIndexUnderWrites(
            "job",
            models.Index(
                DigitsOfSeconds("started_at", "created_at"),
                "created_at",
                name="ix_jobs_waited_created_at",
                condition=models.Q(started_at__isnull=False),
            ),
        ),
        AddIndexUnderWrites(
            "job",
            models.Index(
                DigitsOfSeconds("completed_at", "created_at"),
                "created_at",
                name="ix_jobs_took_created_at",
                condition=models.Q(completed_at__isnull=False),
            ),
        ),
    ]
