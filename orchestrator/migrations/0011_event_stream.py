"""What the event stream needs: each event's transaction, and the tickets that were used."""

from django.db import migrations

from orchestrator.db.migration_operations import AddPostgresIndexOnline, RunVendorSQL


class Migration(migrations.Migration):
    atomic = False  # the index is built without blocking writers

    dependencies = [("orchestrator", "0010_idempotency_keys")]

    operations = [
        RunVendorSQL("0011_event_stream"),
        AddPostgresIndexOnline(
            "events", "ix_events_transaction", "(transaction, id) WHERE transaction IS NOT NULL"
        ),
    ]
