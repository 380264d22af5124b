"""On PostgreSQL the triggers tell a connection that listens what is stale, in place of the outbox."""

from django.db import migrations

from orchestrator.operations import RunEngineSQL


class Migration(migrations.Migration):
    dependencies = [("orchestrator", "0009_jobs_by_duration_in_order")]

    operations = [RunEngineSQL("0010_outbox_tells")]
