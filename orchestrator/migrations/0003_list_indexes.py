"""Indexes for lists that the performance report does not cover."""

from django.db import migrations, models

from orchestrator.db.migration_operations import AddIndexOnline


class Migration(migrations.Migration):
    # PostgreSQL builds no index concurrently within a transaction.
    atomic = False

    dependencies = [("orchestrator", "0002_performance_optimization")]

    operations = [
        # the list of one status in order of priority, and of one status and priority in order of creation
        AddIndexOnline(
            "job",
            models.Index(fields=["status", "priority", "created_at"], name="ix_jobs_status_prio_created"),
        ),
        # the list of one queue, in order of creation
        AddIndexOnline("job", models.Index(fields=["queue", "created_at"], name="ix_jobs_queue_created_at")),
        # the list of one worker's jobs, in order of creation
        AddIndexOnline(
            "job",
            models.Index(
                fields=["worker", "created_at"],
                name="ix_jobs_worker_created_at",
                condition=models.Q(worker__isnull=False),
            ),
        ),
        # the admin's search by the beginning of a name, and its list in order of name
        AddIndexOnline("job", models.Index(fields=["name", "created_at"], name="ix_jobs_name_created_at")),
        # one job's history, and the list of one job's events
        AddIndexOnline(
            "event", models.Index(fields=["job_id", "created_at"], name="ix_events_job_id_created_at")
        ),
        # the list of one title in order of creation, and the lists in order of title: all tasks, or those
        # whose title begins with a prefix
        AddIndexOnline(
            "task", models.Index(fields=["title", "created_at"], name="ix_tasks_title_created_at")
        ),
        # the list in order of creation
        AddIndexOnline("user", models.Index(fields=["created_at"], name="ix_users_created_at")),
    ]
