"""Which tags a change invalidates, by the triggers of each engine and by ``orchestrator.cache.tags``."""

import random
from collections.abc import Callable
from inspect import isfunction
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.test import RequestFactory
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from orchestrator.api import cache_policy
from orchestrator.auth import cached_users
from orchestrator.cache import in_flight, outbox, tags
from orchestrator.choices import JobStatus
from orchestrator.models import Event, Job, Task, User
from tests.cache.assertions import assert_current, cache_status, warm
from tests.users import make_user

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("long_lease")]

TABLES = ("jobs", "events", "tasks", "users")
#: The changes that each engine has triggers for.
CHANGES = {"sqlite": ("insert", "update", "delete"), "postgresql": ("insert", "update", "delete", "truncate")}


def job_in(status: str, **fields: Any) -> Job:
    job = Job(name=status, **fields)
    if status != JobStatus.PENDING:
        job.apply_status(JobStatus(status), timezone.now())
        job.started_at = timezone.now()
    job.save()
    return job


class TestSelectivity:
    def test_a_change_in_one_status_leaves_the_lists_of_others(self, as_user: APIClient):
        job_in("completed")
        running = job_in("running")
        warm(as_user, "/api/v1/jobs/?status=completed", "/api/v1/jobs/?status=running")

        running.priority = 1
        running.save()
        job_in("running")
        Job.objects.filter(status="running").update(priority=5)

        assert cache_status(as_user, "/api/v1/jobs/?status=completed") == "HIT"
        assert cache_status(as_user, "/api/v1/jobs/?status=running") == "MISS"

    def test_a_change_of_status_invalidates_the_lists_of_both(self, as_user: APIClient):
        running, _ = job_in("running"), job_in("failed")
        lists = {status: f"/api/v1/jobs/?status={status}" for status in JobStatus.values}
        warm(as_user, *lists.values())

        running.apply_status(JobStatus.COMPLETED, timezone.now())
        running.save()

        seen = {status: cache_status(as_user, path) for status, path in lists.items()}
        changed = dict.fromkeys(("running", "completed"), "MISS")
        assert seen == {**dict.fromkeys(JobStatus.values, "HIT"), **changed}

    def test_only_a_change_of_status_invalidates_the_counts(self, as_user: APIClient):
        job = job_in("running")
        warm(as_user, "/api/v1/jobs/counts/")

        Job.objects.update(priority=3)
        job.save()
        assert cache_status(as_user, "/api/v1/jobs/counts/") == "HIT"

        Job.objects.update(status="pending")
        assert cache_status(as_user, "/api/v1/jobs/counts/") == "MISS"

    def test_a_change_of_one_row_leaves_the_details_and_histories_of_others(self, as_user: APIClient):
        changed, other = job_in("running"), job_in("running")
        Event.objects.create(type="x", job_id=other.pk)
        paths = (f"/api/v1/jobs/{other.pk}/", f"/api/v1/jobs/{other.pk}/events/")
        warm(as_user, f"/api/v1/jobs/{changed.pk}/", *paths)

        Job.objects.filter(pk=changed.pk).update(priority=1)
        Event.objects.create(type="y", job_id=changed.pk)

        assert [cache_status(as_user, path) for path in paths] == ["HIT", "HIT"]
        assert cache_status(as_user, f"/api/v1/jobs/{changed.pk}/") == "MISS"

    def test_events_of_one_type_leave_the_lists_of_others(self, as_user: APIClient):
        warm(as_user, "/api/v1/events/?type=a", "/api/v1/events/?type=b")

        Event.objects.create(type="a")
        Event.objects.bulk_create([Event(type="a") for _ in range(200)])

        assert cache_status(as_user, "/api/v1/events/?type=a") == "MISS"
        assert cache_status(as_user, "/api/v1/events/?type=b") == "HIT"

    def test_a_change_of_event_type_invalidates_the_lists_of_both(self, as_user: APIClient):
        event = Event.objects.create(type="a")
        warm(as_user, "/api/v1/events/?type=a", "/api/v1/events/?type=b", "/api/v1/events/?type=c")

        Event.objects.filter(pk=event.pk).update(type="b")

        assert cache_status(as_user, "/api/v1/events/?type=a") == "MISS"
        assert cache_status(as_user, "/api/v1/events/?type=b") == "MISS"
        assert cache_status(as_user, "/api/v1/events/?type=c") == "HIT"

    def test_a_change_in_one_table_leaves_the_others(self, as_moderator: APIClient):
        paths = ("/api/v1/jobs/", "/api/v1/events/", "/api/v1/users/")
        warm(as_moderator, *paths)

        Task.objects.create(title="t")

        assert [cache_status(as_moderator, path) for path in paths] == ["HIT"] * 3


class TestBulk:
    """A change of many rows invalidates the bulk tag, and with it every detail of the table."""

    @pytest.mark.parametrize("rows", [32, 33, 64, 65])
    def test_a_change_of_many_rows_invalidates_each_detail(self, rows: int, as_moderator: APIClient):
        Job.objects.bulk_create([Job(name=f"{number}") for number in range(rows)])
        Task.objects.bulk_create([Task(title=f"{number}") for number in range(rows)])
        jobs, tasks = Job.objects.order_by("id"), Task.objects.order_by("id")
        paths = (
            *(f"/api/v1/jobs/{job.pk}/" for job in (jobs.first(), jobs.last())),
            *(f"/api/v1/tasks/{task.pk}/" for task in (tasks.first(), tasks.last())),
            f"/api/v1/jobs/{jobs.last().pk}/events/",
        )
        warm(as_moderator, *paths)

        Job.objects.update(priority=1)
        Task.objects.update(title="another")
        Job.objects.last().delete()
        Event.objects.bulk_create([Event(type=f"{job.pk}", job_id=job.pk) for job in Job.objects.all()])

        assert_current(as_moderator, paths)

    def test_many_changes_in_one_transaction_invalidate_each_detail(self, as_user: APIClient):
        made = [Job.objects.create(name=f"{number}") for number in range(100)]
        paths = [f"/api/v1/jobs/{job.pk}/" for job in (made[0], made[50], made[99])]
        warm(as_user, *paths)

        with transaction.atomic():
            for job in made:
                job.priority = 2
                job.save()

        assert_current(as_user, paths)

    def test_the_announced_tags_are_bounded(self):
        with transaction.atomic():
            for number in range(300):
                Event.objects.create(type=f"type {number}", job_id=None)
            own = outbox.own(connection)
            assert len(in_flight._bounded(own.tags)) <= 2 * in_flight.MAX_ROW_TAGS  # noqa: SLF001


@pytest.mark.usefixtures("collecting")
def test_rows_taken_from_the_outbox_are_put_back_unchanged():
    with transaction.atomic():
        Job.objects.create(name="x")
        waiting = outbox.own(connection)

        taken = outbox.take(connection)
        assert outbox.own(connection).ids == ()
        outbox.put_back(connection, taken)

        assert taken.tags == waiting.tags >= {tags.JOBS, tags.JOB_COUNTS}
        assert outbox.own(connection).rows == waiting.rows


# --- The triggers and the module `tags` agree ---------------------------------------------------------------


def tags_of(change: Callable[[], object]) -> frozenset[str]:
    """Return the tags that the triggers append for a change."""
    with transaction.atomic():
        assert outbox.own(connection).tags == frozenset()
        change()
        return outbox.own(connection).tags


def expected_tags(before: dict[Any, str], after: dict[Any, str], touched: set[Any]) -> frozenset[str]:
    """Return the tags that a change of a few jobs invalidates, by the module ``tags``.

    Args:
        before: the status of each job before the change.
        after: the status of each job after the change.
        touched: the ids of the changed jobs.
    """
    if not touched:
        return frozenset()
    statuses = {state[pk] for state in (before, after) for pk in touched if pk in state}
    invalidated = {tags.JOBS, *(tags.jobs_with_status(status) for status in statuses)}
    invalidated |= {tags.job(pk) for pk in touched if pk in before}
    if any(before.get(pk) != after.get(pk) for pk in touched):
        invalidated.add(tags.JOB_COUNTS)
    return frozenset(invalidated)


STATUSES = st.sampled_from(JobStatus.values)


@pytest.mark.usefixtures("collecting")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    statuses=st.lists(STATUSES, max_size=6),
    change=st.sampled_from(["insert", "update", "status", "delete"]),
    status=STATUSES,
    chance=st.integers(0, 2**20),
)
def test_the_triggers_and_the_module_agree_on_jobs(statuses, change, status, chance):
    Job.objects.all().delete()
    rows = [job_in(each) for each in statuses]
    chosen = [row for row in rows if random.Random(f"{chance}{row.pk}").random() < 0.6]  # noqa: S311
    before = {row.pk: row.status for row in rows}
    picked = Job.objects.filter(pk__in=[row.pk for row in chosen])
    at = timezone.now()
    new = [Job(name="new", status=status, started_at=at, completed_at=at)]
    change_now = {
        "insert": lambda: Job.objects.bulk_create(new),
        "update": lambda: picked.update(priority=1),
        "status": lambda: picked.update(
            status=status, started_at=timezone.now(), completed_at=timezone.now()
        ),
        "delete": picked.delete,
    }[change]

    appended = tags_of(change_now)

    after = dict(Job.objects.values_list("id", "status"))
    touched = {new[0].pk} if change == "insert" else {row.pk for row in chosen}
    expected = expected_tags(before, after, touched)
    if change == "update" and connection.vendor == "postgresql" and len({row.status for row in chosen}) > 1:
        expected |= {tags.JOB_COUNTS}  # the trigger runs per statement and does not compare single rows
    assert appended == expected


@pytest.mark.usefixtures("collecting")
@pytest.mark.parametrize("job_id", [uuid4(), None], ids=["of a job", "of no job"])
def test_the_triggers_and_the_module_agree_on_events(job_id: UUID | None):
    event = Event(type="a", job_id=job_id)
    event_tags = frozenset({tags.EVENTS, *tags.of_event("a", job_id)})

    assert tags_of(lambda: Event.objects.bulk_create([event])) == event_tags
    assert tags_of(lambda: Event.objects.update(payload={"b": 1})) == event_tags
    assert tags_of(lambda: Event.objects.update(type="b")) == event_tags | set(tags.of_event("b", job_id))
    assert tags_of(Event.objects.all().delete) == {tags.EVENTS, *tags.of_event("b", job_id)}


@pytest.mark.usefixtures("collecting")
def test_the_triggers_and_the_module_agree_on_tasks_and_users():
    task, user = Task.objects.create(title="t"), make_user("somebody")
    task_tags, user_tags = (
        {tags.TASKS, tags.task(task.pk)},
        {tags.USERS, tags.user(user.pk)},
    )

    assert tags_of(lambda: Task.objects.bulk_create([Task(title="u")])) == {tags.TASKS}
    assert tags_of(lambda: Task.objects.filter(pk=task.pk).update(title="v")) == task_tags
    assert tags_of(Task.objects.filter(pk=task.pk).delete) == task_tags
    assert tags_of(lambda: User.objects.filter(pk=user.pk).update(active=False)) == user_tags
    assert tags_of(User.objects.filter(pk=user.pk).delete) == user_tags


@pytest.mark.usefixtures("collecting")
@pytest.mark.parametrize("model", [Job, Event, Task, User])
def test_the_signal_receivers_record_only_tags_that_the_triggers_append(model: type):
    made = {
        Job: lambda: Job.objects.create(name="x"),
        Event: lambda: Event.objects.create(type="x", job_id=None),
        Task: lambda: Task.objects.create(title="x"),
        User: lambda: make_user("x"),
    }[model]()

    for change in (made.save, made.delete):
        with transaction.atomic():
            change()
            assert connection._changes.tags  # noqa: SLF001
            assert connection._changes.tags - outbox.own(connection).tags == set()  # noqa: SLF001


@pytest.mark.parametrize("table", TABLES)
def test_each_table_has_its_triggers_after_all_migrations(table: str):
    """Later migrations may rebuild a table of SQLite, which drops its triggers."""
    query = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s",
        "postgresql": "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal"
        " AND tgenabled = 'O'",
    }[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(query, [table])
        found = {name for (name,) in cursor.fetchall()}

    assert {f"cache_{table}_{change}" for change in CHANGES[connection.vendor]} <= found


@pytest.mark.sqlite
def test_insert_or_replace_invalidates_the_replaced_row():
    job = job_in("running")

    def replace() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT OR REPLACE INTO jobs SELECT * FROM (SELECT * FROM jobs WHERE id = %s)", [job.pk.hex]
            )

    assert tags_of(replace) >= {tags.JOBS, tags.job(job.pk), tags.jobs_with_status("running")}


def test_each_tag_of_a_response_counts_for_its_group(rf: RequestFactory):
    row = UUID(int=1)
    builders = [build for name, build in vars(cache_policy).items() if name.isupper() and isfunction(build)]
    requests = [rf.get("/", query) for query in ({}, {"status": "pending"}, {"type": "x"})]
    specs = [build(request, row, row) for build in builders for request in requests]
    specs += [cached_users.cache_spec(row), cache_policy.own_user(requests[0], None, row)]

    assert {spec.group for spec in specs} == {
        "jobs", "job_counts", "job", "events", "event", "tasks", "task", "users", "user", "user_auth",
    }  # fmt: skip
    for spec in specs:
        for tag in spec.tags:
            # A job's history also depends on the job's tags, which count for the group of the job.
            if not (spec.group == "events" and tag.startswith("job")):
                assert spec.group in tags.groups_of([tag]), tag


def test_an_unknown_tag_counts_for_no_group():
    assert tags.groups_of(["nonsense", ""]) == set()
