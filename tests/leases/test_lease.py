"""Heartbeats and reports: only the current token counts."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from orchestrator import actions
from orchestrator.console.bulk_operations import operation_of, run_batch
from orchestrator.console.models import BulkChange
from orchestrator.leases.expiry import requeue_expired
from orchestrator.models import Event, Job, Worker
from tests.leases.worker_calls import (
    JOBS,
    beat,
    claim,
    claim_one,
    history,
    let_lease_run_out,
    read,
    report,
    set_status,
    submit,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def job(as_user: APIClient) -> dict[str, Any]:
    """A job that the worker "w1" has claimed."""
    submit(as_user)
    return claim_one(as_user, "w1")


def test_a_heartbeat_extends_the_lease(as_user: APIClient, job: dict[str, Any]):
    before = timezone.now()
    extended = beat(as_user, job, lease_seconds=600)
    assert extended.status_code == 200
    assert extended.json() == read(as_user, job)
    expires = datetime.fromisoformat(extended.json()["lease_expires_at"])
    assert before + timedelta(seconds=600) <= expires <= datetime.now(UTC) + timedelta(seconds=600)
    assert len(history(as_user, job)) == 2


def test_a_heartbeat_extends_a_lease_that_ran_out_but_was_not_ended(as_user: APIClient, job: dict[str, Any]):
    let_lease_run_out(job["id"])
    assert beat(as_user, job).status_code == 200


def test_progress_is_an_event_when_it_changes(as_user: APIClient, job: dict[str, Any]):
    for progress in (0, 40, 40, None, 100):
        beaten = beat(as_user, job, progress=progress).json()
        assert beaten["progress"] == (40 if progress is None else progress)
    events = [event for event in history(as_user, job) if event["type"] == "job_progress"]
    assert [event["payload"]["progress"] for event in events] == [0, 40, 100]
    assert events[0]["payload"] == {
        "job_id": job["id"],
        "from": "running",
        "to": "running",
        "by": "user",
        "reason": None,
        "worker": "w1",
        "attempt": 1,
        "queue": "default",
        "progress": 0,
    }


def test_a_heartbeat_is_a_contact_of_the_worker(as_user: APIClient, job: dict[str, Any]):
    Worker.objects.all().delete()
    beat(as_user, job)
    assert list(Worker.objects.values_list("name", "queues")) == [("w1", None)]


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "pending"])
def test_a_report_ends_the_lease(as_user: APIClient, job: dict[str, Any], status: str):
    beat(as_user, job, progress=7)
    done = report(as_user, job, status, reason="because").json()
    assert (done["status"], done["lease_expires_at"]) == (status, None)
    assert done["worker"] == (None if status == "pending" else "w1")
    assert beat(as_user, job).json()["status"] == status
    payload = history(as_user, job)[-1]["payload"]
    assert {name: payload[name] for name in ("worker", "attempt", "progress", "reason", "to")} == {
        "worker": "w1",
        "attempt": 1,
        "progress": 7,
        "reason": "because",
        "to": status,
    }


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_a_repeated_report_is_200_and_changes_nothing(as_user: APIClient, job: dict[str, Any], status: str):
    first = report(as_user, job, status)
    events = Event.objects.count()
    again = report(as_user, job, status)
    assert (again.status_code, again.json()) == (200, first.json())
    assert Event.objects.count() == events


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "pending"])
def test_an_operator_who_changes_a_running_job_ends_its_lease(
    as_user: APIClient, as_moderator: APIClient, job: dict[str, Any], status: str
):
    changed = set_status(as_moderator, job, status).json()
    events = Event.objects.count()
    for response in (report(as_user, job, "completed", result={"lost": 1}), beat(as_user, job)):
        assert response.status_code == 409
        assert response.json() == {
            "detail": f"This lease token is no longer valid: the job is {status}.",
            "status": status,
        }
    assert read(as_user, job) == changed
    assert Event.objects.count() == events


def test_the_token_of_an_earlier_lease_is_fenced_off(as_user: APIClient, job: dict[str, Any]):
    set_status(as_user, job, "pending")
    again = claim_one(as_user, "w2")
    assert again["id"] == job["id"]
    assert again["lease_token"] != job["lease_token"]
    for response in (
        report(as_user, job, "completed"),
        report(as_user, job, "running"),
        beat(as_user, job, progress=5),
    ):
        assert (response.status_code, response.json()["status"]) == (409, "running")
    assert {**read(as_user, job), "lease_token": again["lease_token"]} == again
    assert report(as_user, again, "completed").status_code == 200
    assert report(as_user, job, "completed").status_code == 409


def test_a_token_that_is_no_jobs_is_409(as_user: APIClient, job: dict[str, Any]):
    other = {**job, "lease_token": str(uuid4())}
    assert beat(as_user, other).status_code == report(as_user, other, "completed").status_code == 409


def test_a_worker_that_gives_a_job_back_keeps_its_attempts(as_user: APIClient, job: dict[str, Any]):
    assert report(as_user, job, "pending").json()["attempts"] == 0
    assert claim_one(as_user)["id"] == job["id"]


def test_a_status_that_may_not_follow_is_409_with_what_may(as_user: APIClient, job: dict[str, Any]):
    report(as_user, job, "completed")
    response = report(as_user, job, "failed")
    assert (response.status_code, response.json()["allowed"]) == (409, [])


@pytest.mark.one_engine
def test_an_invalid_heartbeat_is_400_and_names_the_field(as_user: APIClient, job: dict[str, Any]):
    for field, value, message in (
        ("lease_token", None, "null"),
        ("lease_token", "x" * 10_000, f'"{"x" * 79}… is not a UUID.'),
        ("lease_token", 5, "5 is not a UUID"),
        ("lease_seconds", 4, "4 is not an integer from 5 to 3600"),
        ("lease_seconds", 3601, "3601 is not an integer from 5 to 3600"),
        ("progress", -1, "-1 is not an integer from 0 to 100"),
        ("progress", 101, "101 is not an integer from 0 to 100"),
        ("progress", "50", '"50" is not an integer from 0 to 100'),
        ("progress", 50.0, "50.0 is not an integer from 0 to 100"),
    ):
        response = beat(as_user, job, **{field: value})
        assert (response.status_code, list(response.json())) == (400, [field]), (field, value)
        assert message in response.json()[field][0], response.json()
    assert as_user.post(f"{JOBS}{job['id']}/heartbeat/", {}).json() == {
        "lease_token": ["This field is required."]
    }
    assert {**read(as_user, job), "lease_token": job["lease_token"]} == job


@pytest.mark.one_engine
def end_by_expiry(client: APIClient, job: dict[str, Any]) -> None:
    let_lease_run_out(job["id"])
    requeue_expired()


def end_in_bulk(client: APIClient, job: dict[str, Any]) -> None:
    cancel = operation_of(BulkChange(table="jobs", action="cancel", by="ada"))
    assert run_batch(cancel, Job, [job["id"]]) == 1


def delete(client: APIClient, job: dict[str, Any]) -> None:
    actions.delete_job(UUID(job["id"]), by="ada")


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("end", "last"),
    [
        (partial(report, status="completed"), "job_completed"),
        (end_by_expiry, "job_requeued"),
        (end_in_bulk, "job_cancelled"),
        (delete, "job_deleted"),
    ],
)
def test_the_history_is_in_order_although_the_web_servers_clock_is_late(
    as_user: APIClient,
    job: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    end: Callable[[APIClient, dict[str, Any]], Any],
    last: str,
):
    field = Event._meta.get_field("created_at")
    monkeypatch.setattr(field, "_get_default", lambda: timezone.now() - timedelta(minutes=1))
    beat(as_user, job, progress=50)
    as_user.patch(f"{JOBS}{job['id']}/", {"priority": 1})
    end(as_user, job)
    types = [event["type"] for event in history(as_user, job)]
    assert types == ["job_created", "job_started", "job_progress", "job_updated", last]


def test_a_heartbeat_for_a_job_that_does_not_exist_is_404(as_user: APIClient):
    missing = {"id": str(uuid4()), "lease_token": str(uuid4())}
    assert beat(as_user, missing).status_code == 404
    assert beat(as_user, {**missing, "id": "x"}).status_code == 404


def test_no_list_or_detail_shows_a_token(as_user: APIClient, job: dict[str, Any]):
    for path in (JOBS, f"{JOBS}{job['id']}/", f"{JOBS}{job['id']}/events/", "/api/v1/events/"):
        assert job["lease_token"] not in as_user.get(path).content.decode()
    assert job["lease_token"] not in beat(as_user, job).content.decode()
    assert claim(as_user) == []
