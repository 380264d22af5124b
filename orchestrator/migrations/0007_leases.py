"""Workers, and whether the time in a job's available_at has come (docs/leases.md)."""

from django.db import migrations, models

import orchestrator.db.fields
import orchestrator.db.functions


class Migration(migrations.Migration):
    dependencies = [("orchestrator", "0006_login_windows")]

    operations = [
        migrations.CreateModel(
            name="Worker",
            fields=[
                ("name", models.CharField(max_length=255, primary_key=True, serialize=False)),
                ("queues", orchestrator.db.fields.ExactJSONField(null=True)),
                (
                    "first_seen_at",
                    models.DateTimeField(db_default=orchestrator.db.functions.CurrentTimestamp()),
                ),
                ("seen_at", models.DateTimeField(db_default=orchestrator.db.functions.CurrentTimestamp())),
            ],
            options={"db_table": "workers"},
        ),
        # In SQL, because Django copies the whole table on SQLite. Neither engine touches a row for it.
        migrations.RunSQL(
            "ALTER TABLE jobs ADD COLUMN due bool NOT NULL DEFAULT false",
            "ALTER TABLE jobs DROP COLUMN due",
            state_operations=[
                migrations.AddField(
                    "job", "due", models.BooleanField(db_default=False, default=False, editable=False)
                )
            ],
        ),
    ]
