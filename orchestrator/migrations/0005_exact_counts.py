"""Exact numbers of rows, kept by triggers in the writing transaction (docs/adr/0011-exact-counts.md)."""

from django.db import migrations

from orchestrator.db.migration_operations import RunVendorSQL


class Migration(migrations.Migration):
    # On PostgreSQL each table is locked in a transaction of its own, and none while its rows are counted.
    atomic = False

    dependencies = [("orchestrator", "0004_cache")]

    operations = [RunVendorSQL("0005_exact_counts")]
