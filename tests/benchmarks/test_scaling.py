"""Tables that are scaled up for the benchmark `growth`."""

import re
from collections import Counter

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import DateTimeField

from benchmarks.scaling import scale_rows
from orchestrator import counts
from orchestrator.models import Event, Job, Task

SCHEMA = {
    "sqlite": "SELECT type, name, sql FROM sqlite_master ORDER BY type, name",
    "postgresql": (
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'"
        " UNION ALL SELECT tgname::text || tgenabled::text FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1"
    ),
}


def schema():
    """Return the indexes and triggers, without the casts that PostgreSQL writes in its own way."""
    with connection.cursor() as cursor:
        cursor.execute(SCHEMA[connection.vendor])
        rows = cursor.fetchall()
    if connection.vendor == "sqlite":
        return rows
    return [re.sub(r"::(text|character varying)(\[\])?|[()]", "", row[0]) for row in rows]


def shared_values(model):
    """Count the rows by what a copy shares with its original: its values, and its timestamps' distances."""
    fields = model._meta.concrete_fields
    timestamps = [field.attname for field in fields if isinstance(field, DateTimeField)]
    others = [field.attname for field in fields if field.attname not in {"id", *timestamps}]
    rows = Counter()
    for row in model.objects.values():
        distances = [row[name] and row[name] - row["created_at"] for name in timestamps]
        rows[str([[row[name] for name in others], distances])] += 1
    return rows


def times(factor, rows):
    return Counter({row: factor * count for row, count in rows.items()})


def test_every_row_is_copied_with_its_values_and_the_schema_is_restored(transactional_db) -> None:
    call_command("seed_demo", jobs=20, tasks=5, events=60, users=1, seed=1, verbosity=0)
    jobs, tasks, before = shared_values(Job), shared_values(Task), schema()
    events = Event.objects.count()
    newest = Job.objects.latest("created_at").created_at

    scale_rows(4)

    assert shared_values(Job) == times(4, jobs)
    assert shared_values(Task) == times(4, tasks)
    assert Event.objects.count() == events * 2  # copies 0 and 3
    assert Job.objects.order_by("created_at", "id").first().id == Job.objects.order_by("id").first().id
    assert Job.objects.filter(created_at__lte=newest).count() >= 4 * (20 - 1)
    for event in Event.objects.exclude(job_id=None):
        assert event.payload["job_id"] == str(event.job_id)
        assert Job.objects.filter(pk=event.job_id).exists()
    assert schema() == before
    assert all(number.is_exact for number in counts.verify())


@pytest.mark.parametrize("factor", [0, 0x1000])
@pytest.mark.engine_neutral
def test_a_factor_out_of_range_is_refused(factor) -> None:
    with pytest.raises(ValueError, match="allowed: 1 to 4095"):
        scale_rows(factor)
