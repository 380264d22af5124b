"""The cache server that counts, where Sentinel chooses one of several (orchestrator/cache/failover.py)."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("orchestrator", "0012_archive")]

    operations = [
        migrations.RunSQL(
            """
            CREATE TABLE cache_server (
                id smallint PRIMARY KEY CHECK (id = 1),
                number bigint NOT NULL,
                identity varchar(128) NOT NULL
            )
            """,
            "DROP TABLE cache_server",
        )
    ]
