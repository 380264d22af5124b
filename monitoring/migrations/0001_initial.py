"""Snapshots of the tables, and acknowledged findings."""

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Acknowledgement",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("finding", models.CharField(max_length=200, unique=True)),
                ("reason", models.CharField(max_length=1000)),
                ("by", models.CharField(max_length=150)),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "db_table": "monitoring_acknowledgements",
            },
        ),
        migrations.CreateModel(
            name="TableSnapshot",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("table", models.CharField(max_length=128)),
                ("hour", models.DateTimeField()),
                ("measured_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("rows", models.BigIntegerField()),
                ("exact", models.BooleanField()),
                ("table_bytes", models.BigIntegerField(null=True)),
                ("index_bytes", models.BigIntegerField(null=True)),
                ("indexes", models.JSONField(db_default={}, default=dict, help_text="Bytes by index.")),
            ],
            options={
                "db_table": "monitoring_table_snapshots",
                "constraints": [
                    # the growth of a table: its first snapshot after a time, and its last one
                    models.UniqueConstraint(fields=("table", "hour"), name="uq_snapshots_table_hour")
                ],
            },
        ),
    ]
