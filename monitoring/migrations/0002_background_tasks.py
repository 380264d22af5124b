"""The runs of background tasks, and their leases."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("monitoring", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="BackgroundTask",
            fields=[
                ("name", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("holder", models.CharField(blank=True, db_default="", default="", max_length=16)),
                ("leased_until", models.DateTimeField(help_text="By the database's clock.", null=True)),
                ("runs", models.BigIntegerField(db_default=0, default=0)),
                ("failures", models.BigIntegerField(db_default=0, default=0)),
                ("seconds", models.FloatField(db_default=0, default=0, help_text="The sum over all runs.")),
                (
                    "done",
                    models.JSONField(db_default={}, default=dict, help_text="Sums of what the runs report."),
                ),
                ("started_at", models.DateTimeField(null=True)),
                ("succeeded_at", models.DateTimeField(null=True)),
                ("error", models.CharField(blank=True, db_default="", default="", max_length=100)),
            ],
            options={
                "db_table": "monitoring_background_tasks",
            },
        ),
    ]
