"""Functions that claim and promote jobs on PostgreSQL (docs/leases.md)."""

from django.db import migrations

from orchestrator.db.migration_operations import RunVendorSQL


class Migration(migrations.Migration):
    dependencies = [("orchestrator", "0013_cache_server")]

    operations = [RunVendorSQL("0014_claim_functions")]
