"""Indexes of lists that the report did not know: a job's history, priority order, titles in order."""

from django.db import migrations, models

from orchestrator.operations import AddIndexUnderWrites


class Migration(migrations.Migration):
    # Indexes that are built concurrently cannot be built in a transaction.
    atomic = False

    dependencies = [("orchestrator", "0002_performance_optimization")]

    operations = [
        AddIndexUnderWrites(
            "job",
            models.Index(fields=["status", "priority", "created_at"], name="ix_jobs_status_prio_created"),
        ),
        AddIndexUnderWrites(
            "event", models.Index(fields=["job_id", "created_at"], name="ix_events_job_id_created_at")
        ),
        AddIndexUnderWrites(
            "task", models.Index(fields=["title", "created_at"], name="ix_tasks_title_created_at")
        ),
    ]
