"""Exact row counts, kept by triggers in the writing transaction (docs/exact-counts.md)."""

from django.db import migrations

from orchestrator.db.migration_operations import RunVendorSQL


class Migration(migrations.Migration):
    # On PostgreSQL each table is locked in its own transaction, and no table is locked while rows are counted.
    atomic = False

    dependencies = [("orchestrator", "0004_cache")]

    operations = [RunVendorSQL("0005_exact_counts")]
