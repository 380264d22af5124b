"""A write by any method of Django is seen by the next read; a rollback invalidates nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from orchestrator.cache import client
from orchestrator.models import Event, Job, Task, User
from tests.cache.assertions import assert_current, cache_status, uncached_body, warm
from tests.cache.write_methods import WRITE_METHODS
from tests.servers.valkey import ValkeyServer
from tests.users import make_user

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("long_lease")]


@pytest.fixture
def job(db: None) -> Job:
    return Job.objects.create(name="a job")


def paths_of(job: Job) -> tuple[str, ...]:
    return (
        "/api/v1/jobs/",
        "/api/v1/jobs/?status=pending",
        "/api/v1/jobs/?status=running",
        "/api/v1/jobs/counts/",
        f"/api/v1/jobs/{job.pk}/",
        f"/api/v1/jobs/{job.pk}/events/",
        "/api/v1/events/",
    )


@contextmanager
def rolled_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


#: Methods that end the transaction, or write over another connection, cannot run inside one.
NOT_NESTED = {"manual_transaction", "other_thread"}


@pytest.mark.parametrize("name", WRITE_METHODS)
@pytest.mark.slow
def test_a_rollback_invalidates_nothing_and_a_write_is_seen_by_the_next_read(
    name: str, job: Job, as_user: APIClient
):
    paths = paths_of(job)
    before = warm(as_user, *paths)

    if name not in NOT_NESTED:
        with rolled_back():
            WRITE_METHODS[name](Job.objects.get())
        for path in paths:
            assert as_user.get(path).content == before[path] == uncached_body(as_user, path)
            assert cache_status(as_user, path) == "HIT", path

    WRITE_METHODS[name](job)

    assert any(uncached_body(as_user, path) != before[path] for path in paths), "nothing was written"
    assert_current(as_user, paths)


def test_a_constraint_that_fails_at_commit_leaves_responses_current(job: Job, as_user: APIClient, user: User):
    paths = paths_of(job)
    warm(as_user, *paths)

    # Django's foreign keys are deferred: they are checked at COMMIT.
    with pytest.raises(IntegrityError), transaction.atomic():  # noqa: PT012
        Job.objects.filter(pk=job.pk).update(priority=77)
        LogEntry(user_id=uuid4(), action_flag=CHANGE, action_time=timezone.now(), object_repr="x").save()

    assert as_user.get(f"/api/v1/jobs/{job.pk}/").json()["priority"] == 0
    assert_current(as_user, paths)


def test_a_duplicate_invalidates_nothing(job: Job, as_user: APIClient):
    warm(as_user, "/api/v1/jobs/")

    with pytest.raises(IntegrityError):
        Job.objects.bulk_create([Job(pk=job.pk, name="the same id")])

    assert cache_status(as_user, "/api/v1/jobs/") == "HIT"


def test_a_change_in_the_admin_is_seen_by_the_next_read(as_moderator: APIClient, admin_user: User):
    task = Task.objects.create(title="before")
    paths = ("/api/v1/tasks/", f"/api/v1/tasks/{task.pk}/")
    warm(as_moderator, *paths)
    browser = Client()
    browser.force_login(admin_user)
    page = browser.get(f"/admin/orchestrator/task/{task.pk}/change/")
    fields = {
        name: value if value is not None else ""
        for name, value in page.context["adminform"].form.initial.items()
    }

    response = browser.post(
        f"/admin/orchestrator/task/{task.pk}/change/",
        {**hidden_fields(page.context["adminform"].form), **fields, "title": "after"},
    )

    assert response.status_code == 302, response.content
    assert as_moderator.get(paths[1]).json()["title"] == "after"
    assert_current(as_moderator, paths)


def hidden_fields(form) -> dict[str, str]:
    return {field.html_name: str(field.value()) for field in form.hidden_fields()}


def test_deleting_a_user_deletes_their_log_entries_and_is_seen(as_moderator: APIClient):
    gone = make_user("gone")
    LogEntry.objects.create(user=gone, action_flag=CHANGE, object_repr="x")
    paths = ("/api/v1/users/", f"/api/v1/users/{gone.pk}/")
    warm(as_moderator, *paths)

    gone.delete()

    assert not LogEntry.objects.exists()
    assert_current(as_moderator, paths)


@pytest.mark.parametrize("change", ["create", "update", "delete"])
def test_writes_of_events_tasks_and_users_are_seen(change: str, as_moderator: APIClient):
    event, task, person = Event.objects.create(type="x"), Task.objects.create(title="t"), make_user("person")
    paths = (
        "/api/v1/events/",
        "/api/v1/events/?type=x",
        "/api/v1/events/recent/",
        f"/api/v1/events/{event.pk}/",
        "/api/v1/tasks/",
        f"/api/v1/tasks/{task.pk}/",
        "/api/v1/users/",
        f"/api/v1/users/{person.pk}/",
    )
    warm(as_moderator, *paths)

    if change == "create":
        Event.objects.create(type="x")
        Task.objects.create(title="t")
        make_user("another")
    elif change == "update":
        Event.objects.update(payload={"a": 1})
        Task.objects.update(title="u")
        User.objects.filter(pk=person.pk).update(email="new@example.com")
    else:
        Event.objects.all().delete()
        Task.objects.all().delete()
        person.delete()

    assert_current(as_moderator, paths)


def test_a_transaction_without_changes_makes_no_calls(job: Job, valkey: ValkeyServer):
    before = calls(valkey)

    with transaction.atomic():
        Job.objects.select_for_update().get(pk=job.pk)
        Job.objects.filter(pk=uuid4()).update(priority=1)

    assert calls(valkey) == before


def calls(valkey: ValkeyServer) -> int:
    with valkey.client() as client:
        figures = client.info("commandstats")
    return sum(figures.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("eval", "evalsha"))


def test_a_write_takes_two_calls_however_much_it_changes(job: Job, valkey: ValkeyServer):
    job.save()  # loads the scripts
    before = calls(valkey)

    with transaction.atomic():
        for number in range(20):
            Job.objects.create(name=f"one of many {number}")
        Job.objects.update(priority=1)

    assert calls(valkey) == before + 2


def test_an_announced_write_leaves_the_outbox_empty(job: Job):
    job.save()
    assert outbox_length() == 0
    assert client.current().breaker.closed


def outbox_length() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM cache_outbox")
        return int(cursor.fetchone()[0])
