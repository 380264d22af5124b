"""The indexes that the performance report calls new. They are added and removed without blocking writers."""

from django.db import migrations, models

from orchestrator.db.migration_operations import AddIndexOnline


class Migration(migrations.Migration):
    # PostgreSQL builds no index concurrently within a transaction.
    atomic = False

    dependencies = [("orchestrator", "0001_initial")]

    operations = [
        # bulk changes of the jobs of one status and priority, in any order
        AddIndexOnline("job", models.Index(fields=["status", "priority"], name="ix_jobs_status_priority")),
        # the list of one status, in order of creation
        AddIndexOnline(
            "job", models.Index(fields=["status", "created_at"], name="ix_jobs_status_created_at")
        ),
        # the list of one priority in order of creation, and the whole list in order of priority
        AddIndexOnline(
            "job", models.Index(fields=["priority", "created_at"], name="ix_jobs_priority_created_at")
        ),
        # the list by a range of started_at
        AddIndexOnline("job", models.Index(fields=["started_at"], name="ix_jobs_started_at")),
        # the list by a range of completed_at
        AddIndexOnline("job", models.Index(fields=["completed_at"], name="ix_jobs_completed_at")),
        # events of one type, in any order
        AddIndexOnline("event", models.Index(fields=["type"], name="ix_events_type")),
        # the list of one type, in order of creation
        AddIndexOnline(
            "event", models.Index(fields=["type", "created_at"], name="ix_events_type_created_at")
        ),
        # tasks of one title, in any order
        AddIndexOnline("task", models.Index(fields=["title"], name="ix_tasks_title")),
        # the check that an admin is left, and users of one role in any order
        AddIndexOnline("user", models.Index(fields=["role"], name="ix_users_role")),
        # active or inactive users, in any order
        AddIndexOnline("user", models.Index(fields=["active"], name="ix_users_active")),
    ]
