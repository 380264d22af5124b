"""The performance report's indexes, added and taken away while others write."""

from django.db import migrations, models

from orchestrator.operations import AddIndexUnderWrites


class Migration(migrations.Migration):
    # Indexes that are built concurrently cannot be built in a transaction.
    atomic = False

    dependencies = [("orchestrator", "0001_initial")]

    operations = [
        AddIndexUnderWrites(
            "job", models.Index(fields=["status", "priority"], name="ix_jobs_status_priority")
        ),
        AddIndexUnderWrites(
            "job", models.Index(fields=["status", "created_at"], name="ix_jobs_status_created_at")
        ),
        AddIndexUnderWrites(
            "job", models.Index(fields=["priority", "created_at"], name="ix_jobs_priority_created_at")
        ),
        AddIndexUnderWrites("job", models.Index(fields=["started_at"], name="ix_jobs_started_at")),
        AddIndexUnderWrites("job", models.Index(fields=["completed_at"], name="ix_jobs_completed_at")),
        AddIndexUnderWrites("event", models.Index(fields=["type"], name="ix_events_type")),
        AddIndexUnderWrites(
            "event", models.Index(fields=["type", "created_at"], name="ix_events_type_created_at")
        ),
        AddIndexUnderWrites("task", models.Index(fields=["title"], name="ix_tasks_title")),
        AddIndexUnderWrites("user", models.Index(fields=["role"], name="ix_users_role")),
        AddIndexUnderWrites("user", models.Index(fields=["active"], name="ix_users_active")),
    ]
