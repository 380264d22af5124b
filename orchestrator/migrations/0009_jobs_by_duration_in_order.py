"""Indexes of the jobs by how long they waited and took, each in order of creation and in order of priority.

They take the place of those of 0008, by which all such jobs of a moment had to be found before they were put in
order. What they cost in bytes and on writes is measured in docs/performance-indexes.md.
"""

from django.db import migrations, models

from orchestrator.expressions import Apart, DigitsOfSeconds
from orchestrator.operations import AddIndexUnderWrites, RemoveIndexUnderWrites


def _index(name: str, column: str, *columns: str) -> models.Index:
    return models.Index(
        DigitsOfSeconds(column, "created_at"),
        *columns,
        Apart("created_at"),
        Apart(column),
        name=name,
        condition=models.Q(**{f"{column}__isnull": False}),
    )


class Migration(migrations.Migration):
    # Indexes that are built concurrently cannot be built in a transaction.
    atomic = False

    dependencies = [("orchestrator", "0008_jobs_by_duration")]

    operations = [
        AddIndexUnderWrites("job", _index("ix_jobs_waited", "started_at")),
        AddIndexUnderWrites("job", _index("ix_jobs_waited_priority", "started_at", "priority")),
        RemoveIndexUnderWrites("job", "ix_jobs_waited_created_at"),
        AddIndexUnderWrites("job", _index("ix_jobs_took", "completed_at")),
        AddIndexUnderWrites("job", _index("ix_jobs_took_priority", "completed_at", "priority")),
        RemoveIndexUnderWrites("job", "ix_jobs_took_created_at"),
    ]
