"""Indexes of the operators' lists: a worker's jobs, and jobs by name, those that share one in order of creation.

What they cost in bytes and on writes is measured in docs/performance-indexes.md.
"""

from django.db import migrations, models

from orchestrator.operations import AddIndexUnderWrites, RemoveIndexUnderWrites


class Migration(migrations.Migration):
    # Indexes that are built concurrently cannot be built in a transaction.
    atomic = False

    dependencies = [("orchestrator", "0006_flat_lists")]

    operations = [
        AddIndexUnderWrites(
            "job", models.Index(fields=["name", "created_at"], name="ix_jobs_name_created_at")
        ),
        RemoveIndexUnderWrites("job", "ix_jobs_name"),
        AddIndexUnderWrites(
            "job",
            models.Index(
                fields=["worker", "created_at"],
                name="ix_jobs_worker_created_at",
                condition=models.Q(worker__isnull=False),
            ),
        ),
    ]
