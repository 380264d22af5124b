"""The attempts to log in that all processes count together (orchestrator/auth/throttling.py)."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("orchestrator", "0005_exact_counts")]

    operations = [
        migrations.RunSQL(
            """
            CREATE TABLE login_windows (
                key varchar(64) PRIMARY KEY,
                attempts integer NOT NULL,
                ends_at bigint NOT NULL
            )
            """,
            "DROP TABLE login_windows",
        )
    ]
