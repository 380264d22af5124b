"""Changes of many rows of any table, which remember how far they have looked where no index helps them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("console", "0001_initial")]

    operations = [
        migrations.RenameField("bulkchange", "job_ids", "row_ids"),
        migrations.AddField("bulkchange", "table", models.CharField(max_length=16, default="jobs")),
        migrations.AddField("bulkchange", "position", models.JSONField(null=True)),
        migrations.AlterField(
            "bulkchange",
            "action",
            models.CharField(
                max_length=16,
                choices=[
                    ("retry", "Queue again"),
                    ("cancel", "Cancel"),
                    ("priority", "Change the priority"),
                    ("activate", "Activate"),
                    ("deactivate", "Deactivate"),
                    ("delete", "Delete"),
                ],
            ),
        ),
    ]
