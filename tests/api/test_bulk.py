"""Many jobs in one request: all or none, with errors by position."""

import pytest
from django.db import DatabaseError

from orchestrator import counts
from orchestrator.choices import JobStatus
from orchestrator.db import rows
from orchestrator.models import Event, Job

pytestmark = pytest.mark.django_db

BULK = "/api/v1/jobs/bulk/"
FULL = {
    "name": "Index documents",
    "description": "größe ☃ \\ \t \n \\N \\.",
    "priority": -5,
    "queue": "gpu",
    "metadata": {"b": 1.0, "a": [None, True, 1e308, -0.0, 2**70, 'quo"te\\', "\t\n\\N"]},
    "available_at": "2026-03-04T07:06:07.000008+02:00",
    "max_attempts": 7,
}


def post(client, *jobs, **headers):
    return client.post(BULK, {"jobs": list(jobs)}, headers=headers)


def test_jobs_are_created_in_order_and_as_one_post_each_would(as_user):
    sent = [{"name": "first"}, FULL, {"name": "third", "metadata": {}}]
    response = post(as_user, *sent)
    assert response.status_code == 201, response.content
    jobs = response.json()["jobs"]
    assert [job["name"] for job in jobs] == ["first", "Index documents", "third"]
    for job, body in zip(jobs, sent, strict=True):
        alone = as_user.post("/api/v1/jobs/", body).json()
        own = {"id", "created_at", "updated_at"} | ({"available_at"} - body.keys())
        assert {**job, **{name: alone[name] for name in own}} == alone
        assert as_user.get(f"/api/v1/jobs/{job['id']}/").json() == job
    stored = as_user.get("/api/v1/jobs/?ordering=created_at&limit=3").json()["results"]
    assert stored == jobs
    assert (
        '"metadata":{"b":1.0,"a":[null,true,1e+308,-0.0,1180591620717411303424,' in response.content.decode()
    )


def test_each_job_has_its_first_event(as_user):
    jobs = post(as_user, *({"name": f"job {n}"} for n in range(3))).json()["jobs"]
    alone = as_user.post("/api/v1/jobs/", {"name": "alone"}).json()
    (expected,) = as_user.get(f"/api/v1/jobs/{alone['id']}/events/").json()["results"]
    for job in jobs:
        (event,) = as_user.get(f"/api/v1/jobs/{job['id']}/events/").json()["results"]
        own = {name: event[name] for name in ("id", "created_at")}
        assert event == {**expected, **own, "payload": {**expected["payload"], "job_id": job["id"]}}


@pytest.mark.parametrize("number", [1, 2, 1000])
def test_up_to_a_thousand_jobs_are_accepted_and_counted(as_user, number):
    response = post(as_user, *({"name": f"job {n}"} for n in range(number)))
    assert response.status_code == 201
    assert [job["name"] for job in response.json()["jobs"]] == [f"job {n}" for n in range(number)]
    assert counts.jobs_by_status()[JobStatus.PENDING] == number
    assert counts.rows_of("events") == Event.objects.count() == number


def test_errors_are_by_position_and_nothing_is_created(as_user):
    response = post(
        as_user, {"name": "x"}, {"name": "", "priority": "high"}, 5, {}, None, {"name": "y", "queue": "A"}
    )
    assert response.status_code == 400
    assert list(response.json()) == ["jobs"]
    errors = response.json()["jobs"]
    assert [list(each) for each in errors] == [
        [],
        ["name", "priority"],
        ["non_field_errors"],
        ["name"],
        ["non_field_errors"],
        ["queue"],
    ]
    assert errors[1] == as_user.post("/api/v1/jobs/", {"name": "", "priority": "high"}).json()
    assert not Job.objects.exists()
    assert not Event.objects.exists()


@pytest.mark.one_engine
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "required"),
        ({"jobs": None}, "null"),
        ({"jobs": "x"}, '"x" is not a list'),
        ({"jobs": {"name": "x"}}, "{…} is not a list"),
        ({"jobs": []}, "The list has 0 items. Allowed: 1 to 1000."),
        ({"jobs": [{}] * 1001}, "The list has 1001 items. Allowed: 1 to 1000."),
    ],
    ids=["missing", "null", "string", "object", "empty", "too long"],
)
def test_anything_but_a_list_of_one_to_a_thousand_is_400(as_user, body, message):
    response = as_user.post(BULK, body)
    assert response.status_code == 400
    (error,) = response.json()["jobs"]
    assert message in error


@pytest.mark.one_engine
@pytest.mark.parametrize("body", ["null", "[]", "5"])
def test_a_body_that_is_no_object_is_400(as_user, body):
    response = as_user.post(BULK, body, content_type="application/json")
    assert response.status_code == 400
    assert list(response.json()) == ["non_field_errors"]


@pytest.mark.one_engine
def test_only_posts_of_signed_in_users_are_allowed(api, as_user):
    assert post(api, {"name": "x"}).status_code == 401
    assert as_user.get(BULK).status_code == 405


def test_a_failure_in_the_database_leaves_nothing(as_user, monkeypatch):
    insert = rows.insert

    def fail_at_events(connection, instances):
        if isinstance(instances[0], Event):
            raise DatabaseError("no events today")
        insert(connection, instances)

    monkeypatch.setattr(rows, "insert", fail_at_events)
    with pytest.raises(DatabaseError):
        post(as_user, {"name": "x"}, {"name": "y"})
    assert not Job.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_cached_responses_show_the_new_jobs(as_user):
    first = as_user.post("/api/v1/jobs/", {"name": "first"}).json()
    paths = [
        "/api/v1/jobs/",
        "/api/v1/jobs/?status=pending",
        "/api/v1/jobs/counts/",
        "/api/v1/events/",
        "/api/v1/events/?type=job_created",
    ]
    before = [as_user.get(path).json() for path in paths]
    assert [as_user.get(path)["X-Cache"] for path in paths] == ["HIT"] * len(paths)
    jobs = post(as_user, {"name": "second"}, {"name": "third"}).json()["jobs"]
    after = [as_user.get(path).json() for path in paths]
    assert all(new != old for new, old in zip(after, before, strict=True))
    assert after[1]["results"] == [*reversed(jobs), first]
    assert after[2]["total"] == 3


@pytest.mark.django_db(transaction=True)
def test_cached_lists_of_other_statuses_stay(as_user):
    path = "/api/v1/jobs/?status=completed"
    as_user.get(path)
    assert as_user.get(path)["X-Cache"] == "HIT"
    post(as_user, {"name": "second"}, {"name": "third"})
    assert as_user.get(path)["X-Cache"] == "HIT"
