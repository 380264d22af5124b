"""The benchmarks' SQL and models have the columns that the models have."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from functools import partial

import pytest
from django.db import connections

from benchmarks import multiply
from benchmarks.lab import ROOT
from orchestrator import counts
from orchestrator.api.serializers import JobSerializer
from orchestrator.demo.bulk_load import load
from orchestrator.demo.seed_plan import SeedPlan
from orchestrator.models import Event, Job, Task
from tests.migrations.schema import migrate

PLAN = SeedPlan(
    jobs=20, events=None, tasks=4, users=0, seed=1, until=datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
)
TIMES = {"created_at", "updated_at", "available_at", "started_at", "completed_at", "lease_expires_at"}


def test_copies_differ_in_ids_and_times_alone(scratch_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate(scratch_database)
    load(PLAN, progress=lambda entries: None, using=scratch_database)
    before = {model: contents(model, scratch_database) for model in (Job, Task)}
    events = Event.objects.using(scratch_database).filter(job_id=None).count()
    monkeypatch.setattr(multiply, "connection", connections[scratch_database])
    monkeypatch.setattr(counts, "verify", partial(counts.verify, using=scratch_database))
    multiply.multiply(3)
    for model, rows in before.items():
        assert contents(model, scratch_database) == sorted(rows * 3, key=str)
    assert Job.objects.using(scratch_database).values("created_at").distinct().count() == 3 * PLAN.jobs
    assert Event.objects.using(scratch_database).filter(job_id=None).count() == events
    assert counts.rows_by_table(scratch_database)["jobs"] == 3 * PLAN.jobs


def contents(model: type[Job | Task], database: str) -> list[dict[str, object]]:
    """Return the rows without their ids; of times, only whether they are set."""
    rows = model.objects.using(database).values()
    return sorted(
        (
            {
                name: value is not None if name in TIMES else value
                for name, value in row.items()
                if name != "id"
            }
            for row in rows
        ),
        key=str,
    )


@pytest.mark.engine_neutral
def test_the_rivals_job_has_the_fields_of_the_api() -> None:
    script = (
        "import django; django.setup()\n"
        "from benchmarks.rivals.models import Job\n"
        "print(*(field.name for field in Job._meta.concrete_fields))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "benchmarks.rivals.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stdout.split()) == set(JobSerializer.Meta.fields)
