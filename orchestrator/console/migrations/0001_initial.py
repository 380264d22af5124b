"""Rollups per minute, and bulk changes."""

import django.utils.timezone
from django.db import migrations, models

import orchestrator.db.functions


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="BulkChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("by", models.CharField(help_text="The username of the operator.", max_length=150)),
                ("table", models.CharField(db_default="jobs", default="jobs", max_length=16)),
                (
                    "action",
                    models.CharField(
                        choices=[
                            ("retry", "Requeue"),
                            ("cancel", "Cancel"),
                            ("priority", "Change the priority"),
                            ("activate", "Activate"),
                            ("deactivate", "Deactivate"),
                            ("delete", "Delete"),
                        ],
                        max_length=16,
                    ),
                ),
                ("priority", models.IntegerField(null=True)),
                ("reason", models.CharField(blank=True, db_default="", default="", max_length=1024)),
                ("row_ids", models.JSONField(null=True)),
                ("query", models.TextField(blank=True, db_default="", default="")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("prepared", "Prepared"),
                            ("running", "Running"),
                            ("stopped", "Stopped"),
                            ("finished", "Finished"),
                        ],
                        db_default="prepared",
                        default="prepared",
                        max_length=16,
                    ),
                ),
                ("position", models.JSONField(null=True)),
                ("changed", models.BigIntegerField(db_default=0, default=0)),
                ("total", models.BigIntegerField(null=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=orchestrator.db.functions.CurrentTimestamp(),
                        default=django.utils.timezone.now,
                    ),
                ),
                ("ended_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "console_bulk_changes",
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="MinuteRollup",
            fields=[
                (
                    "minute",
                    models.BigIntegerField(
                        help_text="Minutes since 1970, UTC.", primary_key=True, serialize=False
                    ),
                ),
                ("created", models.BigIntegerField(db_default=0, default=0)),
                ("completed", models.BigIntegerField(db_default=0, default=0)),
                ("failed", models.BigIntegerField(db_default=0, default=0)),
                ("wait", models.FloatField(help_text="Median seconds from creation to start.", null=True)),
            ],
            options={
                "db_table": "console_minutes",
            },
        ),
    ]
