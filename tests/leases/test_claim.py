"""Claims: order, queues, schedules, and what a claimed job looks like."""

import re
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from orchestrator.actions import build_job_event
from orchestrator.demo.bulk_load import analyze
from orchestrator.leases import schedule
from orchestrator.leases.queue_order import next_jobs, scheduled_jobs
from orchestrator.models import Event, Job, Worker
from tests.leases.worker_calls import JOBS, claim, claim_one, history, names, read, set_status, submit

pytestmark = pytest.mark.django_db


def later(**delta: float) -> str:
    return (timezone.now() + timedelta(**delta)).isoformat()


def test_a_claimed_job_is_running_under_a_lease(as_user: APIClient):
    submitted = submit(as_user, queue="reports")
    job = claim_one(as_user, "gpu-1", lease_seconds=5)
    assert list(job) == [*submitted, "lease_token"]
    assert UUID(job.pop("lease_token")).version == 4
    assert job == read(as_user, job)
    changed = {name for name in job if job[name] != submitted[name]}
    assert changed == {"status", "updated_at", "started_at", "worker", "lease_expires_at"}
    assert (job["status"], job["worker"]) == ("running", "gpu-1")
    started, expires = (datetime.fromisoformat(job[name]) for name in ("started_at", "lease_expires_at"))
    assert expires - started == timedelta(seconds=5)


def test_a_claim_is_in_the_history_of_each_job(as_user: APIClient):
    for _ in range(2):
        submit(as_user, queue="reports")
    for job in claim(as_user, "gpu-1", limit=2):
        created, started = history(as_user, job)
        assert (created["type"], started["type"]) == ("job_created", "job_started")
        assert started["payload"] == {
            "job_id": job["id"],
            "from": "pending",
            "to": "running",
            "by": "user",
            "reason": None,
            "worker": "gpu-1",
            "attempt": 1,
            "queue": "reports",
            "progress": None,
        }
        assert {created["payload"][member] for member in ("worker", "attempt")} == {None}


def test_the_highest_priority_comes_first_and_of_these_the_oldest(as_user: APIClient):
    for name, priority in (("a", 0), ("b", 5), ("c", -5), ("d", 5), ("e", 0), ("f", 9)):
        submit(as_user, name=name, priority=priority)
    assert names(claim(as_user, limit=3)) == ["f", "b", "d"]
    assert [names(claim(as_user)) for _ in range(4)] == [["a"], ["e"], ["c"], []]


def test_a_claim_takes_at_most_its_limit_and_each_job_once(as_user: APIClient):
    for number in range(7):
        submit(as_user, name=str(number))
    taken = [claim(as_user, limit=limit) for limit in (3, 1, 100, 100)]
    assert [len(jobs) for jobs in taken] == [3, 1, 3, 0]
    assert len({job["lease_token"] for jobs in taken for job in jobs}) == 7


def test_a_claim_takes_from_its_queues_only_in_the_order_of_all_of_them(as_user: APIClient):
    for name, queue, priority in (
        ("a", "mail", 1),
        ("b", "gpu", 2),
        ("c", "mail", 3),
        ("d", "other", 9),
        ("e", "gpu", 4),
    ):
        submit(as_user, name=name, queue=queue, priority=priority)
    assert claim(as_user, queues=["none"]) == []
    assert names(claim(as_user, queues=["mail", "gpu", "none", "mail"], limit=3)) == ["e", "c", "b"]
    assert names(claim(as_user, queues=["gpu"], limit=5)) == []
    assert names(claim(as_user, queues=["mail", "gpu"], limit=5)) == ["a"]
    assert names(claim(as_user, queues=None)) == ["d"]


def test_a_claim_may_name_a_hundred_queues(as_user: APIClient):
    for number in range(100):
        submit(as_user, name=str(number), queue=f"q{number}", priority=number % 10)
    queues = [f"q{number}" for number in range(100)]
    assert names(claim(as_user, queues=queues, limit=2)) == ["9", "19"]
    assert len(claim(as_user, queues=queues, limit=100)) == 98


def test_a_job_is_claimed_once_its_time_has_come(as_user: APIClient):
    job = submit(as_user, available_at=later(hours=1))
    assert claim(as_user) == []
    as_user.patch(f"{JOBS}{job['id']}/", {"available_at": later(seconds=-1)})
    assert claim_one(as_user)["id"] == job["id"]


def test_a_job_whose_time_is_put_off_is_not_claimed(as_user: APIClient):
    by_sql, by_patch = submit(as_user), submit(as_user)
    Job.objects.filter(pk=by_sql["id"]).update(available_at=timezone.now() + timedelta(hours=1))
    as_user.patch(f"{JOBS}{by_patch['id']}/", {"available_at": later(hours=1)})
    assert claim(as_user, limit=2) == []


def test_the_order_of_priority_holds_between_new_and_scheduled_jobs(as_user: APIClient):
    soon = submit(as_user, name="soon", priority=5, available_at=later(hours=1))
    submit(as_user, name="high", priority=9)
    submit(as_user, name="low", priority=1)
    Job.objects.filter(pk=soon["id"]).update(available_at=timezone.now())
    assert names(claim(as_user, limit=3)) == ["high", "soon", "low"]


def become_due() -> None:
    """Let the time of all jobs come at once."""
    Job.objects.update(available_at=timezone.now())


def test_the_order_of_priority_holds_if_more_jobs_become_due_than_one_claim_makes_due(
    as_user: APIClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(schedule, "MAX_PROMOTED", 1)
    for priority in (1, 5, 3, 4, 2):
        submit(as_user, name=str(priority), priority=priority, available_at=later(hours=1))
    become_due()
    assert [names(claim(as_user)) for _ in range(5)] == [["5"], ["4"], ["3"], ["2"], ["1"]]


def test_jobs_of_other_queues_that_become_due_hide_no_job(
    as_user: APIClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(schedule, "MAX_PROMOTED", 1)
    for queue, priority in (("other", 9), ("other", 8), ("mail", 1)):
        submit(as_user, name=queue, queue=queue, priority=priority, available_at=later(hours=1))
    become_due()
    assert names(claim(as_user, queues=["mail"])) == ["mail"]


def test_jobs_of_a_queue_that_nobody_claims_do_not_hold_up_the_others(
    as_user: APIClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(schedule, "MAX_PROMOTED", 1)
    monkeypatch.setattr(schedule, "MAX_COMPARED", 1)
    first, second = (submit(as_user, queue=queue, available_at=later(hours=1)) for queue in ("left", "mail"))
    for job, ago in ((first, 2), (second, 1)):
        Job.objects.filter(pk=job["id"]).update(available_at=timezone.now() - timedelta(seconds=ago))
    assert [len(claim(as_user, queues=["mail"])) for _ in range(2)] == [0, 1]


def test_a_job_inserted_by_hand_is_claimed(as_user: APIClient):
    with connection.cursor() as cursor:
        job_id = uuid4()
        cursor.execute("INSERT INTO jobs (id, name) VALUES (%s, 'by hand')", [str(job_id.hex)])
    assert names(claim(as_user)) == ["by hand"]


@pytest.mark.parametrize("status", ["running", "completed", "failed", "cancelled"])
def test_only_pending_jobs_are_claimed(as_user: APIClient, status: str):
    submit(as_user)
    Job.objects.update(status=status, started_at=timezone.now(), completed_at=timezone.now())
    assert claim(as_user) == []


def test_a_job_that_was_started_by_hand_has_no_lease_and_is_claimed_when_it_is_requeued(as_user: APIClient):
    job = submit(as_user)
    assert set_status(as_user, job, "running").json()["lease_expires_at"] is None
    assert claim(as_user) == []
    set_status(as_user, job, "pending")
    assert claim_one(as_user)["attempts"] == 0


@pytest.mark.postgres
def test_a_claim_reads_no_jobs_that_have_ended(as_user: APIClient):
    """As many pending jobs as ended ones make reading the table look cheap, but the ended ones come first."""
    ended = {"status": "cancelled", "completed_at": timezone.now()}
    Job.objects.bulk_create(Job(name="ended", **ended) for _ in range(2000))
    Job.objects.bulk_create(Job(name="next", due=True) for _ in range(2000))
    analyze(connection)
    for queues in (None, ["default"], ["default", "other"]):
        before = rows_of_jobs_read()
        claim_one(as_user, queues=queues)
        assert rows_of_jobs_read() - before < 20


def rows_of_jobs_read() -> int:
    """Return how many rows of the table the open transaction has read by any scan."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'jobs'"
        )
        return int(cursor.fetchone()[0])


@pytest.mark.postgres
def test_the_functions_contain_the_queries_whose_plans_are_shown():
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(prosrc, '') FROM pg_proc WHERE proname ~ '^(claim|promote)_jobs$'")
        (source,) = cursor.fetchone()
    parameters = r"\b(now_at|max_jobs|max_compared|share\.(queue|size))(?!\w)"
    source = " ".join(re.sub(parameters, "%s", source).split())
    for statement in (next_jobs(None, now, 1), next_jobs(["reports"], now, 1), scheduled_jobs(now, 1)):
        conditions = " ".join(statement.sql.partition(" FROM ")[2].split())
        assert f" FROM {conditions} " in source


@pytest.mark.sqlite
def test_polling_an_empty_queue_does_not_wait_for_writers(as_user: APIClient):
    submit(as_user, queue="other")
    submit(as_user, available_at=later(hours=1))
    claim(as_user, queues=["mine"])
    with CaptureQueriesContext(connection) as queries:
        assert claim(as_user, queues=["mine"]) == []
    assert [query for query in queries if not query["sql"].startswith("SELECT")] == []


def test_an_event_that_cannot_be_written_undoes_the_claim(
    as_user: APIClient, monkeypatch: pytest.MonkeyPatch
):
    job = submit(as_user)

    def without_type(*args: Any, **fields: Any) -> Event:
        event = build_job_event(*args, **fields)
        event.type = None  # type: ignore[assignment]
        return event

    with monkeypatch.context() as patch:
        patch.setattr("orchestrator.leases.claim.build_job_event", without_type)
        with pytest.raises(IntegrityError):
            claim(as_user)
    assert read(as_user, job) == job
    assert len(history(as_user, job)) == 1
    assert claim_one(as_user)["id"] == job["id"]


def test_workers_and_their_queues_are_remembered(as_user: APIClient):
    claim(as_user, "w1", queues=["mail", "gpu"])
    claim(as_user, "w2")
    claim(as_user, "w2", queues=["mail"])
    assert dict(Worker.objects.values_list("name", "queues")) == {"w1": ["gpu", "mail"], "w2": ["mail"]}
    before = Worker.objects.get(pk="w2").seen_at
    claim(as_user, "w2", queues=["mail"])
    assert Worker.objects.get(pk="w2").seen_at == before


INVALID: list[tuple[str, Any, str]] = [
    ("worker", None, "null"),
    ("worker", "", "blank"),
    ("worker", " ", "blank"),
    ("worker", 5, "5 is not a string"),
    ("worker", "a\0", "Null characters"),
    ("worker", "w" * 256, "255"),
    ("queues", [], "0 queue names. Allowed: 1 to 100"),
    ("queues", ["q"] * 101, "101 queue names. Allowed: 1 to 100"),
    ("queues", "mail", '"mail" is not a list'),
    ("queues", {"mail": 1}, "{…} is not a list"),
    ("queues", ["mail", "Mail"], '"Mail" is not the name of a queue'),
    ("queues", ["mail", ""], '"" is not the name of a queue'),
    ("queues", ["mail\n"], "is not the name of a queue. Allowed: 1 to 100 of a-z"),
    ("queues", [None], "null is not the name of a queue"),
    ("queues", ["q" * 101], "is not the name of a queue"),
    ("limit", 0, "0 is not an integer from 1 to 100"),
    ("limit", 101, "101 is not an integer from 1 to 100"),
    ("limit", "1", '"1" is not an integer from 1 to 100'),
    ("limit", 1.5, "1.5 is not an integer"),
    ("limit", True, "true is not an integer"),
    ("limit", None, "null"),
    ("lease_seconds", 4, "4 is not an integer from 5 to 3600"),
    ("lease_seconds", 3601, "3601 is not an integer from 5 to 3600"),
    ("lease_seconds", "60", '"60" is not an integer from 5 to 3600'),
]


@pytest.mark.one_engine
def test_a_claim_with_a_value_that_cannot_be_is_400_and_takes_nothing(as_user: APIClient):
    job = submit(as_user)
    for field, value, message in INVALID:
        response = as_user.post(f"{JOBS}claim/", {"worker": "w1", field: value})
        assert response.status_code == 400, (field, value)
        assert list(response.json()) == [field], (field, value)
        assert message in response.json()[field][0], (field, value, response.json())
    assert as_user.post(f"{JOBS}claim/", {}).json() == {"worker": ["This field is required."]}
    assert read(as_user, job) == job
    assert not Worker.objects.exists()


@pytest.mark.one_engine
def test_a_claim_needs_a_user_and_is_a_post(api: APIClient, as_user: APIClient):
    assert api.post(f"{JOBS}claim/", {"worker": "w1"}).status_code == 401
    assert as_user.get(f"{JOBS}claim/").status_code == 405


@pytest.mark.one_engine
def test_a_browser_gets_the_forms_of_claims_and_heartbeats(as_user: APIClient):
    job = submit(as_user)
    for path in (f"{JOBS}claim/", f"{JOBS}{job['id']}/heartbeat/"):
        page = as_user.get(path, headers={"accept": "text/html"})
        assert b"lease_seconds" in page.content, path


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("queues", [None, ["a"], ["a", "b"]])
def test_jobs_that_another_transaction_holds_are_skipped(
    as_user: APIClient, database_url: str, queues: list[str] | None
):
    for name, queue in (("a1", "a"), ("a2", "a"), ("b1", "b")):
        submit(as_user, name=name, queue=queue)
    with psycopg.connect(database_url) as other:
        other.execute("SELECT FROM jobs WHERE name = 'a1' FOR UPDATE")
        assert names(claim(as_user, queues=queues)) == ["a2"]
        other.rollback()
    assert names(claim(as_user, queues=queues)) == ["a1"]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_queue_whose_jobs_are_all_held_does_not_hide_another(as_user: APIClient, database_url: str):
    submit(as_user, name="a1", queue="a", priority=5)
    submit(as_user, name="b1", queue="b")
    with psycopg.connect(database_url) as other:
        other.execute("SELECT FROM jobs WHERE name = 'a1' FOR UPDATE")
        assert names(claim(as_user, queues=["a", "b"])) == ["b1"]
