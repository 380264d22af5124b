"""Tables that are scaled up for the benchmark `growth`."""

import pytest
from django.core.management import call_command
from django.db import connection

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
UNIQUE = ("id", "created_at", "updated_at", "started_at", "completed_at", "lease_expires_at")


def schema():
    with connection.cursor() as cursor:
        cursor.execute(SCHEMA[connection.vendor])
        return cursor.fetchall()


def constant_columns(model):
    """Return how often each combination of values occurs that copies share with their original."""
    names = [field.attname for field in model._meta.concrete_fields if field.attname not in UNIQUE]
    rows = [str(row) for row in model.objects.values_list(*names)]
    return {row: rows.count(row) for row in rows}


def test_every_row_is_copied_with_its_values_and_the_schema_is_restored(transactional_db) -> None:
    call_command("seed_demo", jobs=20, tasks=5, events=60, users=1, seed=1, verbosity=0)
    jobs, tasks, before = constant_columns(Job), constant_columns(Task), schema()
    events = Event.objects.count()
    newest = Job.objects.latest("created_at").created_at

    scale_rows(4)

    assert constant_columns(Job) == {row: 4 * count for row, count in jobs.items()}
    assert constant_columns(Task) == {row: 4 * count for row, count in tasks.items()}
    assert Event.objects.count() == events * 2  # copies 0 and 3
    assert Job.objects.order_by("created_at", "id").first().id == Job.objects.order_by("id").first().id
    assert Job.objects.filter(created_at__lte=newest).count() >= 4 * (20 - 1)
    assert not Job.objects.filter(started_at__lt=Job.objects.order_by("created_at").first().created_at)
    for event in Event.objects.exclude(job_id=None):
        assert event.payload["job_id"] == str(event.job_id)
        assert Job.objects.filter(pk=event.job_id).exists()
    assert schema() == before
    assert all(number.right for number in counts.verify())


@pytest.mark.parametrize("factor", [0, 0x1000])
@pytest.mark.engine_neutral
def test_a_factor_out_of_range_is_refused(factor) -> None:
    with pytest.raises(ValueError, match="allowed: 1 to 4095"):
        scale_rows(factor)
