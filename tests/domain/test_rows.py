"""Rows that are inserted, updated and read without a queryset are those that Django's own queries see."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models import F, Value
from django.utils.timezone import get_current_timezone

from orchestrator.choices import JobStatus, Role
from orchestrator.db import rows
from orchestrator.models import Event, Job, Task, User
from tests.users import make_user

pytestmark = pytest.mark.django_db

METADATA = {"b": 1.0, "a": [None, True, -0.0, 2**70, "\\ \t\n\\N ☃"], "": {}}
FULL_JOB = {
    "name": "größe ☃ \\N",
    "status": JobStatus.COMPLETED,
    "priority": -(2**31),
    "metadata": METADATA,
    "result": {},
    "progress": 100,
    "started_at": datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2))),
    "completed_at": datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    "available_at": datetime(2026, 1, 1, 12, tzinfo=get_current_timezone()),
    "worker": "",
    "lease_token": uuid4(),
}
NEW = {
    "job": lambda: Job(name="x"),
    "full job": lambda: Job(**FULL_JOB),
    "event": lambda: Event(type="x", payload=METADATA, job_id=uuid4()),
    "task": lambda: Task(title="x"),
    "user": lambda: User(username="ada", email="ada@example.org", role=Role.MODERATOR, active=False),
}


def columns(row):
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


@pytest.mark.parametrize("saved", [True, False], ids=["save", "insert"])
@pytest.mark.parametrize("kind", NEW)
def test_an_inserted_row_is_read_with_the_same_values(kind, saved):
    new = NEW[kind]()
    if saved:
        new.save()
    else:
        rows.insert(connection, [new])
    expected = columns(type(new).objects.get(pk=new.pk))
    assert columns(rows.read(type(new), new.pk)) == expected
    assert {**columns(new), "last_login": None} == {**expected, "last_login": None}


def test_many_rows_are_inserted_as_one_is():
    jobs = [Job(**{**FULL_JOB, "name": str(number), "lease_token": uuid4()}) for number in range(450)]
    rows.insert(connection, jobs)
    stored = {job.pk: columns(job) for job in Job.objects.all()}
    assert stored == {job.pk: columns(job) for job in jobs}


def test_an_update_changes_the_given_columns_only():
    job, other = Job.objects.create(name="x"), Job.objects.create(name="y")
    for name, value in FULL_JOB.items():
        setattr(job, name, value)
    job.priority = 7
    job.save(update_fields=FULL_JOB.keys() - {"priority"})
    stored = columns(Job.objects.get(pk=job.pk))
    assert stored == {**columns(job), "priority": 0}
    assert columns(Job.objects.get(pk=other.pk)) == columns(other)


def test_an_update_of_a_missing_row_is_noticed():
    job = Job.objects.create(name="x")
    Job.objects.filter(pk=job.pk).delete()
    assert not rows.update(connection, job, [(Job._meta.get_field("priority"), 1)])
    with pytest.raises(Job.DoesNotExist):
        rows.read(Job, job.pk)


def test_expressions_and_the_defaults_of_the_database_are_left_to_django():
    job = Job.objects.create(name=Value("x"))
    job.priority = F("priority") + 5
    job.save()
    job.refresh_from_db()
    assert (job.name, job.priority) == ("x", 5)


def test_a_value_of_another_type_is_converted_as_django_does():
    user = make_user("ada")
    job = Job(name="x", priority="5")
    job.save()
    assert rows.read(Job, job.pk).priority == 5
    assert rows.read(User, user.pk) == user
