"""Leases that run out: back-off, failure after the last attempt, and runs at the same time."""

import json
from datetime import datetime, timedelta
from io import StringIO
from threading import Thread
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connections
from django.utils import timezone
from rest_framework.test import APIClient

from orchestrator import counts
from orchestrator.leases import expiry
from orchestrator.leases.expiry import Expiry, backoff, end_some, requeue_expired
from orchestrator.models import Event, Job, Worker
from orchestrator.tasks import requeue_expired as requeue_task
from tests.leases.worker_calls import (
    beat,
    claim,
    claim_one,
    history,
    let_lease_run_out,
    let_time_come,
    read,
    report,
    submit,
)

pytestmark = pytest.mark.django_db


def lose(client: APIClient, **fields: Any) -> dict[str, Any]:
    """Claim a job and let its lease run out."""
    job = claim_one(client, **fields)
    let_lease_run_out(job["id"])
    return job


def test_claims_end_leases_where_no_background_worker_runs(
    as_user: APIClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(expiry, "end_some", end_some)
    first, second = submit(as_user), submit(as_user)
    lose(as_user)
    expiry.runs_of_claims.forget()
    assert claim_one(as_user)["id"] == second["id"]
    assert (read(as_user, first)["status"], read(as_user, first)["attempts"]) == ("pending", 1)
    let_lease_run_out(second["id"])
    assert claim(as_user) == []
    assert read(as_user, second)["status"] == "running", "a process does it once in a few seconds"


def test_a_job_whose_lease_ran_out_is_pending_after_a_backoff(as_user: APIClient):
    submit(as_user, queue="reports")
    job = lose(as_user, worker="w1")
    assert requeue_expired() == Expiry(requeued=1, failed=0, promoted=0, pruned=0)
    after = read(as_user, job)
    assert (after["status"], after["attempts"], after["worker"]) == ("pending", 1, None)
    assert (after["started_at"], after["lease_expires_at"], after["progress"]) == (None, None, None)
    available, updated = (datetime.fromisoformat(after[name]) for name in ("available_at", "updated_at"))
    assert available - updated == timedelta(seconds=2)
    assert claim(as_user) == []
    assert history(as_user, job)[-1]["payload"] == {
        "job_id": job["id"],
        "from": "running",
        "to": "pending",
        "by": "system",
        "reason": "The lease of w1 ran out: it sent no report and no heartbeat in time.",
        "worker": "w1",
        "attempt": 1,
        "queue": "reports",
        "progress": None,
    }


def test_a_job_fails_when_no_attempt_is_left(as_user: APIClient):
    job = submit(as_user, max_attempts=2)
    lose(as_user)
    requeue_expired()
    let_time_come(job["id"])
    second = lose(as_user)
    assert requeue_expired() == Expiry(requeued=0, failed=1, promoted=0, pruned=0)
    after = read(as_user, job)
    assert (after["status"], after["attempts"], after["worker"]) == ("failed", 2, "w1")
    assert after["completed_at"] is not None
    event = history(as_user, job)[-1]
    assert (event["type"], event["payload"]["attempt"]) == ("job_failed", 2)
    assert "No attempt is left of 2." in event["payload"]["reason"]
    assert report(as_user, second, "failed").status_code == 409
    set_back = as_user.put(f"/api/v1/jobs/{job['id']}/status/", {"status": "pending"}).json()
    assert set_back["attempts"] == 0


def test_the_backoff_doubles_up_to_an_hour():
    assert [backoff(attempts).total_seconds() for attempts in (1, 2, 3, 11, 12, 100)] == [
        2,
        4,
        8,
        2048,
        3600,
        3600,
    ]


def test_a_report_after_the_lease_was_ended_is_409(as_user: APIClient):
    submit(as_user)
    job = lose(as_user)
    requeue_expired()
    for response in (report(as_user, job, "completed"), beat(as_user, job)):
        assert (response.status_code, response.json()["status"]) == (409, "pending")


def test_a_report_before_the_lease_is_ended_is_accepted(as_user: APIClient):
    submit(as_user)
    job = lose(as_user)
    assert report(as_user, job, "completed").status_code == 200
    assert requeue_expired() == Expiry(requeued=0, failed=0, promoted=0, pruned=0)


def test_leases_that_have_not_run_out_stay(as_user: APIClient):
    submit(as_user)
    job = claim_one(as_user)
    assert requeue_expired() == Expiry(requeued=0, failed=0, promoted=0, pruned=0)
    assert beat(as_user, job).status_code == 200


def test_all_are_ended_in_several_batches_with_several_outcomes(
    as_user: APIClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(expiry, "BATCH_SIZE", 3)
    for number in range(10):
        submit(as_user, max_attempts=1 + number % 2)
    for job in claim(as_user, limit=10):
        let_lease_run_out(job["id"])
    Job.objects.filter(max_attempts=2).update(attempts=0)
    assert requeue_expired() == Expiry(requeued=5, failed=5, promoted=0, pruned=0)
    assert counts.jobs_by_status() == {
        "pending": 5,
        "running": 0,
        "completed": 0,
        "failed": 5,
        "cancelled": 0,
    }
    assert (
        Event.objects.filter(type="job_requeued").count() == Event.objects.filter(type="job_failed").count()
    )


def test_a_lease_of_a_job_that_was_changed_by_hand_is_only_removed(as_user: APIClient):
    submit(as_user)
    job = lose(as_user)
    Job.objects.update(status="cancelled", completed_at=timezone.now())
    before = read(as_user, job)
    assert requeue_expired() == Expiry(requeued=0, failed=0, promoted=0, pruned=0)
    assert read(as_user, job) == {**before, "lease_expires_at": None}
    assert len(history(as_user, job)) == 2


def test_jobs_become_due_and_silent_workers_are_forgotten(as_user: APIClient):
    claim(as_user, "silent")
    claim(as_user, "busy")
    Worker.objects.filter(name="silent").update(seen_at=timezone.now() - timedelta(hours=25))
    job = submit(as_user, available_at=(timezone.now() + timedelta(hours=1)).isoformat())
    assert requeue_expired() == Expiry(requeued=0, failed=0, promoted=0, pruned=1)
    let_time_come(job["id"])
    assert requeue_expired() == Expiry(requeued=0, failed=0, promoted=1, pruned=0)
    assert Job.objects.get().due
    assert list(Worker.objects.values_list("name", flat=True)) == ["busy"]


def test_an_event_that_cannot_be_written_undoes_the_requeueing(
    as_user: APIClient, monkeypatch: pytest.MonkeyPatch
):
    submit(as_user)
    job = lose(as_user)

    def fail(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(type(Event.objects), "bulk_create", fail)
        with pytest.raises(RuntimeError):
            requeue_expired()
    assert read(as_user, job)["status"] == "running"


def test_the_command_reports_what_it_did(as_user: APIClient):
    submit(as_user)
    lose(as_user)
    output = StringIO()
    call_command("requeue_expired", json=True, stdout=output)
    assert json.loads(output.getvalue()) == {"requeued": 1, "failed": 0, "promoted": 0, "pruned": 0}
    output = StringIO()
    call_command("requeue_expired", stdout=output)
    assert "0 jobs are pending again and 0 have failed." in output.getvalue()


def test_the_background_worker_has_a_task_for_it(as_user: APIClient):
    submit(as_user)
    job = lose(as_user)
    requeue_task()
    assert read(as_user, job)["status"] == "pending"


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_run_skips_jobs_that_another_transaction_holds(as_user: APIClient, database_url: str):
    submit(as_user, name="held")
    submit(as_user, name="free")
    for _ in range(2):
        lose(as_user)
    with psycopg.connect(database_url) as other:
        other.execute("SELECT FROM jobs WHERE name = 'held' FOR UPDATE")
        assert requeue_expired().requeued == 1
    assert requeue_expired().requeued == 1


@pytest.mark.django_db(transaction=True)
def test_each_lease_is_ended_once_by_runs_at_the_same_time(
    as_user: APIClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(expiry, "BATCH_SIZE", 5)
    for _ in range(40):
        submit(as_user)
    for job in claim(as_user, limit=40):
        let_lease_run_out(job["id"])
    done: list[Expiry] = []

    def run() -> None:
        done.append(requeue_expired())
        connections.close_all()

    threads = [Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(each.requeued for each in done) == 40
    assert set(Job.objects.values_list("status", "attempts")) == {("pending", 1)}
    assert Event.objects.filter(type="job_requeued").count() == 40
