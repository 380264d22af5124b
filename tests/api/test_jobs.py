"""Jobs over HTTP: submitted, changed, taken through their life, listed, counted."""

import pytest

pytestmark = pytest.mark.django_db

JOBS = "/api/v1/jobs/"
FIELDS = [
    "id",
    "name",
    "description",
    "status",
    "priority",
    "metadata",
    "created_at",
    "updated_at",
    "started_at",
    "completed_at",
    "attempts",
    "max_attempts",
    "worker",
    "lease_expires_at",
]


def submit(client, **fields):
    answer = client.post(JOBS, {"name": "Index documents", **fields})
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_a_submitted_job_is_pending_and_complete(as_user):
    answer = as_user.post(JOBS, {"name": "Index documents"})
    job = answer.json()
    assert answer.status_code == 201
    assert list(job) == FIELDS
    assert (job["status"], job["priority"], job["metadata"], job["description"]) == ("pending", 0, {}, "")
    assert (job["attempts"], job["max_attempts"], job["worker"]) == (0, 3, None)
    assert answer["Location"] == f"http://testserver{JOBS}{job['id']}/"
    assert as_user.get(answer["Location"]).json() == job


def test_a_jobs_whole_life_is_in_its_history(as_user):
    job = submit(as_user)
    status = f"{JOBS}{job['id']}/status/"
    for step, reason in (
        ("running", None),
        ("failed", "out of memory"),
        ("pending", None),
        ("running", None),
    ):
        assert as_user.put(status, {"status": step, "reason": reason}).json()["status"] == step
    done = as_user.put(status, {"status": "completed"}).json()
    assert done["started_at"] <= done["completed_at"]
    history = as_user.get(f"{JOBS}{job['id']}/events/").json()["results"]
    assert [event["type"] for event in reversed(history)] == [
        "job_created",
        "job_started",
        "job_failed",
        "job_requeued",
        "job_started",
        "job_completed",
    ]
    assert history[3]["payload"] == {
        "job_id": job["id"],
        "from": "running",
        "to": "failed",
        "by": "user",
        "reason": "out of memory",
    }


def test_a_job_is_listed_counted_and_read(as_user):
    job = submit(as_user)
    assert as_user.get(JOBS).json() == {"next": None, "previous": None, "results": [job]}
    assert as_user.get(f"{JOBS}counts/").json() == {
        "counts": {"pending": 1, "running": 0, "completed": 0, "failed": 0, "cancelled": 0},
        "total": 1,
    }
