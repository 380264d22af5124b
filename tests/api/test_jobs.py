"""Jobs over HTTP: submitted, changed, taken through their life, listed, counted."""

from datetime import datetime, timedelta, timezone
from uuid import uuid4

import pytest

from orchestrator.choices import JobStatus
from orchestrator.models import Event, Job

pytestmark = pytest.mark.django_db

JOBS = "/api/v1/jobs/"
FIELDS = [
    "id",
    "name",
    "description",
    "status",
    "priority",
    "queue",
    "metadata",
    "result",
    "progress",
    "created_at",
    "updated_at",
    "available_at",
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


def test_a_submitted_job_is_pending_and_returned_complete(as_user):
    answer = as_user.post(JOBS, {"name": "Index documents"})
    job = answer.json()
    assert answer.status_code == 201
    assert list(job) == FIELDS
    assert (job["status"], job["priority"], job["metadata"], job["description"]) == ("pending", 0, {}, "")
    assert (job["attempts"], job["max_attempts"], job["worker"]) == (0, 3, None)
    assert (job["queue"], job["result"], job["progress"]) == ("default", None, None)
    assert job["created_at"] <= job["available_at"]
    assert answer["Location"] == f"http://testserver{JOBS}{job['id']}/"
    assert as_user.get(answer["Location"]).json() == job


def test_a_job_has_the_requested_queue_available_at_and_max_attempts(as_user):
    wanted = {"queue": "gpu_2.batch-a", "available_at": "2026-03-04T07:06:07.000008+02:00", "max_attempts": 7}
    job = submit(as_user, **wanted)
    assert job["available_at"] == "2026-03-04T05:06:07.000008Z"
    assert (job["queue"], job["max_attempts"]) == ("gpu_2.batch-a", 7)
    assert as_user.get(JOBS).json()["results"] == [job]


@pytest.mark.one_engine
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("queue", ""),
        ("queue", None),
        ("queue", "Default"),
        ("queue", "a b"),
        ("queue", "a\n"),
        ("queue", "ä"),
        ("queue", 5),
        ("queue", "q" * 101),
        ("available_at", None),
        ("available_at", "tomorrow"),
        ("available_at", 5),
        ("available_at", "2026-02-30T00:00:00Z"),
        ("available_at", "0001-01-01T00:00:00+14:00"),
        ("available_at", "2026-01-01T00:00:00\0Z"),
        ("available_at", "٢٠٢٦-01-01T00:00:00Z"),
        ("available_at", 20260101),
        ("max_attempts", 0),
        ("max_attempts", 101),
        ("max_attempts", "3"),
        ("max_attempts", True),
        ("max_attempts", None),
    ],
)
def test_an_invalid_queue_available_at_or_max_attempts_is_400(as_user, field, value):
    answer = as_user.post(JOBS, {"name": "x", field: value})
    assert answer.status_code == 400
    assert list(answer.json()) == [field]
    job = submit(as_user)
    assert as_user.patch(f"{JOBS}{job['id']}/", {field: value}).status_code == 400
    assert as_user.get(f"{JOBS}{job['id']}/").json() == job


def test_a_queue_name_may_have_100_characters(as_user):
    assert submit(as_user, queue="q" * 100)["queue"] == "q" * 100


def test_a_completed_job_has_its_result_and_the_event_does_not(as_user):
    job = submit(as_user)
    status = f"{JOBS}{job['id']}/status/"
    as_user.put(status, {"status": "running"})
    result = {"pages": [1, 2.5, None], "größe": "☃"}
    done = as_user.put(status, {"status": "completed", "result": result}).json()
    assert done["result"] == result
    assert as_user.get(f"{JOBS}{job['id']}/").json() == done
    assert as_user.get(JOBS).json()["results"] == [done]
    again = as_user.put(status, {"status": "completed", "result": {"other": 1}})
    assert (again.status_code, again.json()) == (200, done)
    newest = as_user.get(f"{JOBS}{job['id']}/events/").json()["results"][0]
    members = {"job_id", "from", "to", "by", "reason", "worker", "attempt", "queue", "progress"}
    assert newest["payload"].keys() == members


def test_a_job_that_is_requeued_loses_its_progress(as_user):
    job = submit(as_user)
    status = f"{JOBS}{job['id']}/status/"
    as_user.put(status, {"status": "running"})
    Job.objects.filter(pk=job["id"]).update(progress=40)
    assert as_user.put(status, {"status": "failed", "result": None}).json()["progress"] == 40
    assert as_user.put(status, {"status": "pending"}).json()["progress"] is None


def test_the_history_has_every_change_of_a_job(as_user):
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
        "worker": None,
        "attempt": 1,
        "queue": "default",
        "progress": None,
    }


def test_a_job_is_listed_counted_and_read(as_user):
    job = submit(as_user)
    assert as_user.get(JOBS).json() == {"next": None, "previous": None, "results": [job]}
    assert as_user.get(f"{JOBS}counts/").json() == {
        "counts": {"pending": 1, "running": 0, "completed": 0, "failed": 0, "cancelled": 0},
        "total": 1,
    }


# --- Status -------------------------------------------------------------------------------------------------

EVERY_CHANGE = [(old, new) for old in JobStatus.values for new in JobStatus.values]
ALLOWED = {
    "pending": ["running", "cancelled"],
    "running": ["completed", "failed", "cancelled", "pending"],
    "failed": ["pending"],
    "cancelled": ["pending"],
    "completed": [],
}
WAY_TO = {
    "pending": [],
    "running": ["running"],
    "cancelled": ["cancelled"],
    "failed": ["running", "failed"],
    "completed": ["running", "completed"],
}


@pytest.mark.one_engine
@pytest.mark.parametrize(("old", "new"), EVERY_CHANGE)
def test_each_status_change_is_made_refused_or_a_no_op(as_user, old, new):
    job = submit(as_user)
    address = f"{JOBS}{job['id']}/"
    for step in WAY_TO[old]:
        as_user.put(f"{address}status/", {"status": step})
    before, events = as_user.get(address).json(), Event.objects.count()
    answer = as_user.put(f"{address}status/", {"status": new})
    after = as_user.get(address).json()
    if new in ALLOWED[old]:
        assert answer.status_code == 200
        assert answer.json() == after
        assert (after["status"], Event.objects.count()) == (new, events + 1)
    elif new == old:
        assert answer.status_code == 200
        assert answer.json() == after == before
        assert Event.objects.count() == events
    else:
        assert answer.status_code == 409
        assert answer.json()["status"] == old
        assert sorted(answer.json()["allowed"]) == sorted(ALLOWED[old])
        assert f"{old} job cannot become {new}" in answer.json()["detail"]
        assert (after, Event.objects.count()) == (before, events)


@pytest.mark.one_engine
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"status": None},
        {"status": "banana"},
        {"status": 1},
        {"status": ["running"]},
        {"status": "Running"},
        {"status": "running", "lease_token": "x"},
        {"status": "running", "lease_token": 5},
        {"status": "running", "reason": 5},
        {"status": "running", "reason": "x" * 1025},
        {"status": "running", "reason": "a\0b"},
        {"status": "running", "result": {}},
        {"status": "failed", "result": {"a": 1}},
        {"status": "completed", "result": [1]},
        {"status": "completed", "result": "x"},
        {"status": "completed", "result": {"a": "x" * 65536}},
        {"status": "completed", "result": {"a": "\0"}},
    ],
    ids=lambda body: str(body)[:50],
)
def test_an_invalid_status_change_is_400(as_user, body):
    job = submit(as_user)
    answer = as_user.put(f"{JOBS}{job['id']}/status/", body)
    assert answer.status_code == 400
    wrong = [*body][-1] if body else "status"
    assert list(answer.json()) == [wrong]
    if wrong == "status" and body.get("status"):
        assert "pending, running, completed, failed, cancelled" in answer.json()["status"][0]
    assert as_user.get(f"{JOBS}{job['id']}/").json() == job


def test_a_report_with_another_lease_token_is_409_and_changes_nothing(as_user):
    job = submit(as_user)
    answer = as_user.put(
        f"{JOBS}{job['id']}/status/", {"status": "running", "lease_token": str(uuid4()), "reason": None}
    )
    assert answer.status_code == 409
    assert "lease token" in answer.json()["detail"]
    assert as_user.get(f"{JOBS}{job['id']}/").json() == job


# --- Changing, deleting -------------------------------------------------------------------------------------


def test_a_patch_changes_only_the_given_fields_and_records_an_event(as_user):
    job = submit(as_user, priority=3, metadata={"a": 1})
    address = f"{JOBS}{job['id']}/"
    changed = as_user.patch(address, {"name": "Index pages", "priority": -1, "status": "completed"}).json()
    assert changed == {**job, "name": "Index pages", "priority": -1, "updated_at": changed["updated_at"]}
    assert changed["updated_at"] > job["updated_at"]
    assert as_user.get(address).json() == changed
    newest = as_user.get(f"{address}events/").json()["results"][0]
    assert (newest["type"], newest["payload"]["fields"]) == ("job_updated", ["name", "priority"])


def test_a_patch_with_the_current_values_is_a_no_op(as_user):
    job = submit(as_user, priority=3)
    assert as_user.patch(f"{JOBS}{job['id']}/", {"priority": 3}).json() == job
    assert as_user.patch(f"{JOBS}{job['id']}/", {}).json() == job
    assert Event.objects.count() == 1


def test_a_patch_with_metadata_that_only_python_finds_equal_is_a_change(as_user):
    url = f"{JOBS}{submit(as_user, metadata={'a': 1, 'b': 0.0})['id']}/"
    for metadata in ('{"a":true,"b":0.0}', '{"a":1.0,"b":0.0}', '{"a":1.0,"b":-0.0}', '{"b":-0.0,"a":1.0}'):
        body = f'{{"metadata":{metadata}}}'
        response = as_user.patch(url, body, content_type="application/json")
        assert f'"metadata":{metadata},' in response.content.decode()
        read = as_user.get(url)
        assert (read.content, read["ETag"]) == (response.content, response["ETag"])


def test_a_refused_change_changes_nothing(as_user):
    job = submit(as_user)
    answer = as_user.patch(f"{JOBS}{job['id']}/", {"name": "other", "priority": "high"})
    assert answer.status_code == 400
    assert as_user.get(f"{JOBS}{job['id']}/").json() == job


def test_the_history_of_a_deleted_job_stays(as_user, as_moderator):
    job = submit(as_user)
    assert as_moderator.delete(f"{JOBS}{job['id']}/").status_code == 204
    assert as_user.get(f"{JOBS}{job['id']}/").status_code == 404
    assert as_moderator.delete(f"{JOBS}{job['id']}/").status_code == 404
    history = as_user.get(f"{JOBS}{job['id']}/events/").json()["results"]
    assert [event["type"] for event in history] == ["job_deleted", "job_created"]


def test_a_history_has_the_events_of_one_job_in_pages(as_user):
    job, other = submit(as_user), submit(as_user)
    as_user.put(f"{JOBS}{job['id']}/status/", {"status": "running"})
    as_user.put(f"{JOBS}{other['id']}/status/", {"status": "cancelled"})
    first = as_user.get(f"{JOBS}{job['id']}/events/?limit=1").json()
    second = as_user.get(first["next"]).json()
    assert [event["type"] for event in first["results"] + second["results"]] == ["job_started", "job_created"]
    assert second["next"] is None


def test_counts_cover_every_status(as_user):
    for status, number in {"pending": 1, "running": 2, "completed": 3, "failed": 1, "cancelled": 2}.items():
        for _ in range(number):
            job = submit(as_user)
            for step in WAY_TO[status]:
                as_user.put(f"{JOBS}{job['id']}/status/", {"status": step})
    assert as_user.get(f"{JOBS}counts/").json() == {
        "counts": {"pending": 1, "running": 2, "completed": 3, "failed": 1, "cancelled": 2},
        "total": 9,
    }


def test_timestamps_are_utc_with_microseconds(as_user):
    Job.objects.create(name="x", created_at=datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2))))
    assert as_user.get(JOBS).json()["results"][0]["created_at"] == "2025-12-31T22:00:00.000000Z"
