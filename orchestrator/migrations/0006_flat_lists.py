"""Indexes that keep every list, the claim and the sweep at one cost however many rows there are.

What they cost in bytes and on writes is measured in docs/performance-indexes.md.
"""

from django.db import migrations, models

from orchestrator.operations import AddIndexUnderWrites


class Migration(migrations.Migration):
    # Indexes that are built concurrently cannot be built in a transaction.
    atomic = False

    dependencies = [("orchestrator", "0005_exact_counts")]

    operations = [
        AddIndexUnderWrites(
            "job",
            models.Index(
                fields=["status", "-priority", "created_at"],
                name="ix_jobs_claimable",
                condition=models.Q(status="pending"),
            ),
        ),
        AddIndexUnderWrites(
            "job",
            models.Index(
                fields=["lease_expires_at"],
                name="ix_jobs_lease_expires_at",
                condition=models.Q(lease_expires_at__isnull=False),
            ),
        ),
        AddIndexUnderWrites("job", models.Index(fields=["name"], name="ix_jobs_name")),
        AddIndexUnderWrites("user", models.Index(fields=["created_at"], name="ix_users_created_at")),
        AddIndexUnderWrites("user", models.Index(fields=["role", "username"], name="ix_users_role_username")),
        AddIndexUnderWrites(
            "user", models.Index(fields=["role", "created_at"], name="ix_users_role_created_at")
        ),
        AddIndexUnderWrites(
            "user", models.Index(fields=["active", "username"], name="ix_users_active_username")
        ),
        AddIndexUnderWrites(
            "user", models.Index(fields=["active", "created_at"], name="ix_users_active_created_at")
        ),
        AddIndexUnderWrites(
            "user", models.Index(fields=["role", "active", "username"], name="ix_users_role_active_username")
        ),
        AddIndexUnderWrites(
            "user", models.Index(fields=["role", "active", "created_at"], name="ix_users_role_active_created")
        ),
    ]
