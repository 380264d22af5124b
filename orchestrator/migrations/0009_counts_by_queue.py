"""Jobs are counted by status and queue (docs/exact-counts.md)."""

from django.db import migrations

from orchestrator.db.migration_operations import RunVendorSQL


class Migration(migrations.Migration):
    # As 0005: on PostgreSQL each table is locked in its own transaction, and none while jobs are counted.
    atomic = False

    dependencies = [("orchestrator", "0008_claim_indexes")]

    operations = [RunVendorSQL("0009_counts_by_queue")]
