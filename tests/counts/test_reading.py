"""Reading, verifying and repairing the kept counts."""

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orchestrator import counts
from orchestrator.models import Event, Job, Task

pytestmark = pytest.mark.django_db


@pytest.fixture
def rows() -> None:
    Job.objects.bulk_create(
        [Job(name="a"), Job(name="b"), Job(name="c", status="running", started_at="2026-01-01T00:00Z")]
    )
    Event.objects.create(type="x")


def make_counts_wrong() -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "UPDATE row_counts SET rows = rows + 7"
                " WHERE (status, queue) = ('pending', 'default') OR table_name = 'tasks'"
            )
        else:
            cursor.execute(
                "INSERT INTO row_counts VALUES ('jobs', 'pending', 7, 'default'), ('tasks', '', 7, '')"
            )


def test_all_jobs_are_reported_without_counting(rows) -> None:
    expected = {"pending": 2, "running": 1, "completed": 0, "failed": 0, "cancelled": 0}
    with CaptureQueriesContext(connection) as queries:
        assert counts.jobs_by_status() == expected
    assert [query["sql"] for query in queries if "jobs" in query["sql"]] == []


def test_jobs_are_reported_by_queue_without_counting_and_empty_queues_disappear(rows) -> None:
    for name in ("reports", "mail"):
        Job.objects.create(name="d", queue=name)
    with CaptureQueriesContext(connection) as queries:
        assert counts.jobs_by_queue() == {
            "default": {"pending": 2, "running": 1},
            "reports": {"pending": 1},
            "mail": {"pending": 1},
        }
        assert counts.pending_by_queue() == {"default": 2, "reports": 1, "mail": 1}
    assert [query["sql"] for query in queries if "FROM jobs" in query["sql"]] == []
    Job.objects.filter(queue="reports").update(queue="mail")
    Job.objects.filter(queue="default", status="pending").delete()
    for _ in range(2):
        assert counts.jobs_by_queue() == {"default": {"running": 1}, "mail": {"pending": 2}}
        assert counts.pending_by_queue() == {"mail": 2}
        counts.fold()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM row_counts WHERE table_name = 'jobs'")
        assert cursor.fetchone() == (2,)


def test_counts_endpoint_does_not_read_the_jobs(rows, as_user) -> None:
    with CaptureQueriesContext(connection) as queries:
        response = as_user.get("/api/v1/jobs/counts/").json()
    assert (response["counts"]["pending"], response["total"]) == (2, 3)
    assert [query["sql"] for query in queries if '"jobs"' in query["sql"]] == []


def test_a_table_without_kept_counts_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        counts.rows_of("django_session")


def test_a_wrong_count_is_found_and_repaired(rows) -> None:
    make_counts_wrong()
    wrong = {
        (number.table, number.status, number.queue): number
        for number in counts.verify()
        if not number.is_exact
    }
    assert {key: (number.counted, number.kept) for key, number in wrong.items()} == {
        ("jobs", "pending", "default"): (2, 9),
        ("tasks", "", ""): (0, 7),
    }
    assert [number for number in counts.verify(repair=True) if not number.is_exact] == list(wrong.values())
    assert all(number.is_exact for number in counts.verify())
    Task.objects.create(title="x")
    assert counts.rows_of("tasks") == 1


def test_jobs_under_a_wrong_queue_are_found_and_repaired(rows) -> None:
    with connection.cursor() as cursor:
        # Rows of other queues, with the number 0, may be left from other tests.
        cursor.execute("UPDATE row_counts SET queue = 'wrong' WHERE status = 'running' AND queue = 'default'")
    assert counts.jobs_by_status()["running"] == 1
    wrong = [number for number in counts.verify(repair=True) if not number.is_exact]
    assert [(number.queue, number.counted, number.kept) for number in wrong] == [
        ("default", 1, 0),
        ("wrong", 0, 1),
    ]
    assert counts.jobs_by_queue()["default"] == {"pending": 2, "running": 1}


@pytest.mark.django_db(transaction=True)
def test_a_repair_invalidates_cached_counts(rows, as_user) -> None:
    make_counts_wrong()
    assert as_user.get("/api/v1/jobs/counts/").json()["total"] == 10
    counts.verify(repair=True)
    assert as_user.get("/api/v1/jobs/counts/").json()["total"] == 3


@pytest.mark.django_db(transaction=True)
def test_fold_counts_reports_folded_rows_and_totals(rows, engine) -> None:
    counts.fold()
    for folded in (3, 3):
        out = StringIO()
        call_command("fold_counts", json=True, stdout=out)
        report = json.loads(out.getvalue())
        assert report["rows"] == {"jobs": 3, "events": 1, "tasks": 0, "users": 0}
        assert report["folded"] == (folded if engine == "postgres" else 0)
    text = StringIO()
    call_command("fold_counts", stdout=text)
    assert "3 jobs, 1 events" in text.getvalue()
