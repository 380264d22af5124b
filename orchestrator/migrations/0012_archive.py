"""The manifest of the archive (docs/archive.md)."""

from django.db import migrations, models

import orchestrator.db.functions


class Migration(migrations.Migration):
    dependencies = [("orchestrator", "0011_event_stream")]

    operations = [
        migrations.CreateModel(
            name="ArchiveFile",
            fields=[
                ("name", models.CharField(max_length=100, primary_key=True, serialize=False)),
                ("batch", models.UUIDField()),
                ("table", models.CharField(max_length=16)),
                ("source", models.CharField(max_length=63)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("writing", "Being written"),
                            ("discarded", "Discarded"),
                            ("deleting", "Verified; its rows are leaving the table"),
                            ("archived", "Archived"),
                            ("restoring", "Being restored"),
                            ("restored", "Restored"),
                        ],
                        max_length=16,
                    ),
                ),
                ("rows", models.BigIntegerField(db_default=0, default=0)),
                ("bytes", models.BigIntegerField(db_default=0, default=0)),
                ("checksum", models.CharField(blank=True, db_default="", default="", max_length=64)),
                ("first_at", models.DateTimeField(null=True)),
                ("last_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(db_default=orchestrator.db.functions.CurrentTimestamp())),
                ("verified_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "archive_files",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state__in", ("writing", "discarded", "deleting", "restoring"))),
                        fields=("table",),
                        name="uq_archive_files_open",
                    )
                ],
            },
        ),
    ]
