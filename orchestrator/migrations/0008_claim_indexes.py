"""The indexes of claims and of expired leases."""

from django.db import migrations, models

from orchestrator.db.migration_operations import AddIndexOnline

NOT_PENDING = ["running", "completed", "failed", "cancelled"]


class Migration(migrations.Migration):
    # PostgreSQL builds no index concurrently within a transaction.
    atomic = False

    dependencies = [("orchestrator", "0007_leases")]

    operations = [
        # a claim from all queues: the next job is the first entry
        AddIndexOnline(
            "job",
            models.Index(
                fields=["-priority", "created_at", "id"],
                name="ix_jobs_claim",
                condition=models.Q(due=True) & ~models.Q(status__in=[*NOT_PENDING, ""]),
            ),
        ),
        # a claim from some queues: the next job of each is the first of its entries
        AddIndexOnline(
            "job",
            models.Index(
                fields=["queue", "-priority", "created_at", "id"],
                name="ix_jobs_claim_queue",
                condition=models.Q(due=True) & ~models.Q(status__in=NOT_PENDING),
            ),
        ),
        # the promotion of jobs whose time has come
        AddIndexOnline(
            "job",
            models.Index(
                fields=["available_at"],
                name="ix_jobs_schedule",
                condition=models.Q(due=False) & ~models.Q(status__in=NOT_PENDING),
            ),
        ),
        # the search for leases that have expired
        AddIndexOnline(
            "job",
            models.Index(
                fields=["lease_expires_at"],
                name="ix_jobs_lease_expires_at",
                condition=models.Q(lease_expires_at__isnull=False),
            ),
        ),
    ]
