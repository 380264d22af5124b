"""Rollups of work per minute, queue and worker."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("console", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="WorkRollup",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("minute", models.BigIntegerField(help_text="Minutes since 1970, UTC.")),
                ("queue", models.CharField(max_length=100)),
                ("worker", models.CharField(max_length=255)),
                ("started", models.BigIntegerField(db_default=0, default=0)),
                ("completed", models.BigIntegerField(db_default=0, default=0)),
                ("failed", models.BigIntegerField(db_default=0, default=0)),
                ("expired", models.BigIntegerField(db_default=0, default=0)),
            ],
            options={
                "db_table": "console_work",
                "constraints": [
                    models.UniqueConstraint(fields=("minute", "queue", "worker"), name="uq_console_work")
                ],
            },
        ),
    ]
