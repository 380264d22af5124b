"""The outbox of cache invalidations, and the triggers that fill it in the writing transaction."""

from django.db import migrations

from orchestrator.db.migration_operations import RunVendorSQL


class Migration(migrations.Migration):
    dependencies = [("orchestrator", "0003_list_indexes")]

    operations = [RunVendorSQL("0004_cache")]
