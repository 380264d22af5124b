"""`manage.py seed_demo`, on real databases."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from io import StringIO
from itertools import chain

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.forms import model_to_dict
from django.utils import timezone

from orchestrator.demo.bulk_load import load
from orchestrator.demo.seed_plan import SeedPlan
from orchestrator.demo.vocabulary import QUEUES
from orchestrator.leases.claim import claim
from orchestrator.models import Event, Job, Task, User, Worker

MODELS = {"jobs": Job, "events": Event, "tasks": Task, "users": User}


def seed(**options):
    out = StringIO()
    call_command("seed_demo", json=True, stdout=out, **options)
    return json.loads(out.getvalue())


def counts():
    return {name: model.objects.count() for name, model in MODELS.items()}


@pytest.mark.django_db
@pytest.mark.slow
def test_rows_arrive_as_planned_and_as_django_writes_them():
    plan = SeedPlan(jobs=60, events=None, tasks=15, users=12, seed=3, until=datetime.now(UTC))
    load(plan, progress=lambda rows: None)
    for row in chain.from_iterable(plan.rows()):
        stored = _stored(row)
        type(row).objects.get(pk=row.pk).save()  # as Django writes what it read
        assert _comparable(_stored(row)) == _comparable(stored)


def _stored(row):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {row._meta.db_table} WHERE id = %s", [row.pk.hex])  # noqa: S608
        return dict(zip((column[0] for column in cursor.description), cursor.fetchone(), strict=True))


def _comparable(row):
    """A stored row without what a save changes, and its JSON without the white space."""
    return {
        name: json.loads(value)
        if name in {"metadata", "result", "payload"} and isinstance(value, str)
        else value
        for name, value in row.items()
        if name not in {"updated_at", "version"}
    }


@pytest.mark.django_db
@pytest.mark.slow
def test_rows_are_valid():
    seed(jobs=100, users=15, tasks=15)
    for model in MODELS.values():
        for row in model.objects.all():
            row.full_clean(exclude=["password"])
            assert model_to_dict(row) is not None


@pytest.mark.django_db
def test_the_report_counts_what_was_added():
    report = seed(jobs=50, events=400, tasks=7, users=5, seed=9)
    assert report["rows"] == counts() == {"jobs": 50, "events": 400, "tasks": 7, "users": 5}
    assert report["seed"] == 9
    assert datetime.fromisoformat(report["until"]) <= datetime.now(UTC)
    assert report["seconds"] > 0


@pytest.mark.django_db
def test_the_workers_of_the_last_day_are_known():
    seed(jobs=500)
    seed(jobs=500, seed=2)
    workers = {worker.name: worker for worker in Worker.objects.all()}
    started_lately = Job.objects.filter(started_at__gt=timezone.now() - timedelta(hours=12))
    names = set(started_lately.exclude(worker=None).values_list("worker", flat=True))
    assert names
    assert names <= workers.keys()
    for worker in workers.values():
        assert worker.first_seen_at <= worker.seen_at <= timezone.now()
        assert [queue.removeprefix("demo-") for queue in worker.queues] == [worker.name.partition("-")[0]]


@pytest.mark.django_db
def test_demo_jobs_that_are_due_can_be_claimed_and_running_ones_expire():
    seed(jobs=300)
    due = Job.objects.filter(status="pending", available_at__lte=timezone.now()).count()
    assert len(claim("ada-1", by="ada", queues=sorted(QUEUES), limit=100)) == due
    running = Job.objects.exclude(worker="ada-1").filter(status="running")
    assert 0 < running.count() == running.filter(lease_expires_at__gt=timezone.now()).count()


@pytest.mark.django_db
def test_the_report_for_people_is_one_line():
    out = StringIO()
    call_command("seed_demo", jobs=1200, events=0, tasks=0, users=0, stdout=out)
    assert out.getvalue().startswith("Added 1,200 jobs, 0 events, 0 tasks, 0 users in ")
    assert out.getvalue().count("\n") == 1


@pytest.mark.django_db
def test_run_again_it_adds_as_many_other_rows():
    options = {"jobs": 40, "tasks": 6, "users": 30}
    seed(**options)
    first = counts()
    seed(**options)
    seed(**{**options, "seed": 2})  # other rows, but names are the same for every seed
    seed(**{**options, "jobs": 0, "events": 20})
    after = counts()
    assert {name: after[name] for name in ("jobs", "tasks", "users")} == {
        "jobs": 120,
        "tasks": 24,
        "users": 120,
    }
    assert after["events"] > 2 * first["events"]


@pytest.mark.django_db
def test_an_existing_user_is_not_changed():
    User.objects.create_user("ines.carvalho", "other@example.com", "correct horse battery")
    User.objects.create_user("other", "aiko.mori@example.com", "correct horse battery")
    seed(jobs=0, events=0, tasks=0, users=20)
    assert User.objects.count() == 22
    assert User.objects.get(username="ines.carvalho").email == "other@example.com"


@pytest.mark.django_db
def test_demo_users_cannot_sign_in():
    seed(jobs=0, events=0, tasks=0, users=40)
    assert not any(user.has_usable_password() for user in User.objects.all())


@pytest.mark.django_db
def test_the_planner_has_statistics_afterwards():
    seed(jobs=500)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT reltuples FROM pg_class WHERE oid = 'jobs'::regclass")
            assert cursor.fetchone()[0] == 500
        else:
            cursor.execute("SELECT stat FROM sqlite_stat1 WHERE idx = 'ix_jobs_created_at'")
            assert cursor.fetchone()[0].split()[0] == "500"


@pytest.mark.one_engine
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"jobs": -1}, "--jobs '-1' cannot be used; allowed: a whole number from 0 to 100000000"),
        ({"jobs": "many"}, "--jobs 'many'"),
        ({"jobs": "1.5"}, "--jobs '1.5'"),
        ({"events": "٣"}, "--events '٣'"),
        ({"tasks": "100000001"}, "--tasks '100000001'"),
        ({"users": "9" * 5000}, "--users '999"),
        ({"seed": "-3"}, "--seed '-3'"),
    ],
)
@pytest.mark.django_db
def test_an_invalid_option_is_refused_with_one_line(options, message):
    with pytest.raises(CommandError) as refused:
        seed(**options)
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)
    assert refused.value.returncode == 2
    assert not Job.objects.exists()


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "manage.py", "seed_demo", *arguments],
        cwd=settings.BASE_DIR,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.engine_neutral
@pytest.mark.slow
def test_an_error_is_status_2_and_one_line(tmp_path):
    done = run(DATABASE_URL=f"sqlite:///{tmp_path}/empty.sqlite3")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "CommandError: The database is not migrated; run `manage.py migrate` first.\n"


@pytest.mark.engine_neutral
@pytest.mark.slow
def test_an_unreachable_database_is_reported_in_one_line():
    done = run(
        DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing", DB_POOL_MAX_SIZE="0", DB_POOL_MIN_SIZE="0"
    )
    assert done.returncode == 2
    assert done.stderr.startswith("CommandError: The database is not available: ")
    assert done.stderr.count("\n") == 1
