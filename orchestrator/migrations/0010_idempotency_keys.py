"""The idempotency keys of requests that submit jobs (orchestrator/submission/idempotency.py)."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("orchestrator", "0009_counts_by_queue")]

    operations = [
        migrations.RunSQL(
            [
                """
                CREATE TABLE idempotency_keys (
                    user_id varchar(32) NOT NULL,
                    key varchar(255) NOT NULL,
                    digest varchar(64) NOT NULL,
                    job_ids text NOT NULL,
                    created_at bigint NOT NULL,
                    PRIMARY KEY (user_id, key)
                )
                """,
                # the pruning of expired keys
                "CREATE INDEX ix_idempotency_keys_created_at ON idempotency_keys (created_at)",
            ],
            "DROP TABLE idempotency_keys",
        )
    ]
