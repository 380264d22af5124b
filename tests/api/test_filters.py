"""Filters: which rows each of them gives, and how they combine."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.choices import JobStatus, Role
from orchestrator.filters import JobFilters
from orchestrator.models import Event, Job, Task, User
from tests.users import make_user

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
JOBS = [
    ("a", JobStatus.PENDING, 0, -3, None, None),
    ("b", JobStatus.RUNNING, 5, -2, -1, None),
    ("c", JobStatus.COMPLETED, 5, -2, -1, 0),
    ("d", JobStatus.FAILED, -5, 0, 1, 2),
]


@pytest.fixture
def jobs(db):
    def at(hours):
        return None if hours is None else NOON + timedelta(hours=hours)

    Job.objects.bulk_create(
        Job(
            name=name,
            status=status,
            priority=priority,
            created_at=at(made),
            started_at=at(begun),
            completed_at=at(ended),
        )
        for name, status, priority, made, begun, ended in JOBS
    )


def names(client, query, path="jobs", field="name"):
    answer = client.get(f"/api/v1/{path}/?{query}")
    assert answer.status_code == 200, answer.content
    return "".join(row[field] for row in answer.json()["results"])


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", "abcd"),
        ("status=running", "b"),
        ("priority=5", "bc"),
        ("priority=-5", "d"),
        ("status=completed&priority=5", "c"),
        ("created_after=2026-11-23T10:00:00Z", "d"),
        ("created_after=2026-11-23T09:59:59.999999Z", "bcd"),
        ("created_after=2026-11-23T10:59:59.999999%2B01:00", "bcd"),
        ("created_after=2026-11-23T09:59:59.999999", "bcd"),
        ("created_after=20261123T095959.999999Z", "bcd"),
        ("created_before=2026-11-23T10:00:00Z", "a"),
        ("created_before=2026-11-24", "abcd"),
        ("created_before=2026-11-23", ""),
        ("created_after=2026-11-23T09:00:00Z&created_before=2026-11-23T12:00:00Z", "bc"),
        ("started_after=2026-11-23T11:00:00Z", "d"),
        ("started_after=2026-11-23T10:59:59Z", "bcd"),
        ("completed_after=2026-11-23T11:00:00Z", "cd"),
        ("completed_after=2026-11-23T12:00:00Z&status=failed", "d"),
        ("created_after=0001-01-01T00:00:00Z", "abcd"),
        ("created_before=9999-12-31T23:59:59Z", "abcd"),
        ("status=pending&status=failed", "d"),
    ],
)
def test_jobs_are_filtered(as_user, jobs, query, wanted):
    assert "".join(sorted(names(as_user, query))) == wanted


@pytest.mark.parametrize(
    ("order", "wanted"),
    [("", "dcba"), ("-created_at", "dcba"), ("created_at", "abcd"), ("-priority", "cbad")],
)
def test_jobs_are_ordered(as_user, jobs, order, wanted):
    assert names(as_user, f"ordering={order}") == wanted


def test_events_are_filtered_by_type(as_user):
    Event.objects.bulk_create(Event(type=name, created_at=NOON) for name in ("a", "b", "A", "ab"))
    assert names(as_user, "type=a", "events", "type") == "a"
    assert names(as_user, "type=none", "events", "type") == ""
    assert names(as_user, "type=a&created_before=2026-11-23T12:00:00Z", "events", "type") == ""


TITLES = [
    "Label",
    "label",
    "Lab",
    "L",
    "Labelling 100%",
    "Läbel",
    "Lab_l",
    "\U0010ffff",
    "\U0010ffffx",
    "\ud7ff",
    "\ue000",
]


@pytest.mark.parametrize(
    "prefix",
    ["L", "Lab", "Label", "lab", "Labelling 100%25", "Lab_", "%25", "Lä", "x", "\U0010ffff", "\ud7ff"],
)
def test_tasks_are_filtered_by_the_beginning_of_their_title(as_user, prefix):
    Task.objects.bulk_create(Task(title=title) for title in TITLES)
    wanted = sorted(title for title in TITLES if title.startswith(prefix.replace("%25", "%")))
    answer = as_user.get(f"/api/v1/tasks/?title_prefix={prefix}&ordering=title").json()["results"]
    assert [task["title"] for task in answer] == wanted


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    titles=st.lists(
        st.text(alphabet="ab \ud7ff\ue000\uffff\U00010000\U0010fffe\U0010ffff", min_size=1, max_size=4),
        max_size=10,
    ),
    prefix=st.text(alphabet="ab \ud7ff\ue000\uffff\U00010000\U0010fffe\U0010ffff", max_size=3),
)
def test_a_prefix_finds_what_begins_with_it(db, titles, prefix):
    Task.objects.all().delete()
    Task.objects.bulk_create(Task(title=title) for title in titles)
    found = Task.objects.titled_from(prefix).order_by("title").values_list("title", flat=True)
    assert list(found) == sorted(title for title in titles if title.startswith(prefix))


def test_tasks_are_filtered_by_their_whole_title(as_user):
    Task.objects.bulk_create(Task(title=title) for title in TITLES)
    assert names(as_user, "title=Lab", "tasks", "title") == "Lab"


def test_users_are_filtered(as_moderator):
    for name, role, active in [("a", Role.USER, True), ("b", Role.ADMIN, True), ("c", Role.USER, False)]:
        make_user(name, role, active=active)
    User.objects.filter(username="moderator").update(username="m")
    wanted = {
        "": "abcm",
        "role=user": "ac",
        "role=admin": "b",
        "active=true": "abm",
        "active=True": "abm",
        "active=false": "c",
        "role=user&active=true": "a",
        "ordering=-created_at": "cbam",
    }
    assert {query: names(as_moderator, query, "users", "username") for query in wanted} == wanted


@pytest.mark.sqlite
def test_many_pending_jobs_are_not_sorted_where_few_were_when_statistics_were_taken():
    done = [Job(name="x", status="completed", started_at=NOON, completed_at=NOON) for _ in range(500)]
    Job.objects.bulk_create([*done, Job(name="x")])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE jobs")

    pending = JobFilters({"status": "pending"}, Job.objects.all()).qs

    assert "ix_jobs_status_created_at" in pending.order_by("-created_at", "-id")[:100].explain()
