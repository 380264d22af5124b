"""Events: what clients write down, and what they read of it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from orchestrator.models import Event

pytestmark = pytest.mark.django_db

EVENTS = "/api/v1/events/"


def test_an_event_is_recorded_and_read(as_user):
    body = {"type": "agent_started", "payload": {"agent": "a-17", "tags": ["x", None, 1.5]}}
    answer = as_user.post(EVENTS, body)
    assert answer.status_code == 201
    assert list(answer.json()) == ["id", "type", "payload", "created_at"]
    assert answer.json() == {**answer.json(), **body}
    assert as_user.get(answer["Location"]).json() == answer.json()


def test_a_client_cannot_add_to_the_history_of_a_job(as_user):
    job = as_user.post("/api/v1/jobs/", {"name": "x"}).json()
    as_user.post(EVENTS, {"type": "job_completed", "payload": {"job_id": job["id"]}, "job_id": job["id"]})
    history = as_user.get(f"/api/v1/jobs/{job['id']}/events/").json()["results"]
    assert [event["type"] for event in history] == ["job_created"]


def test_recent_events_are_of_the_last_hour_newest_first_at_most_100(as_user):
    now = timezone.now()
    ages = [timedelta(minutes=59), timedelta(minutes=61), *[timedelta(seconds=n) for n in range(1, 99)]]
    made = Event.objects.bulk_create(Event(type="x", created_at=now - age) for age in ages)
    wanted = [str(event.pk) for event in sorted(made, key=lambda event: event.created_at, reverse=True)][:-1]
    answer = as_user.get(f"{EVENTS}recent/").json()
    assert list(answer) == ["next", "previous", "results"]
    assert [event["id"] for event in answer["results"]] == wanted
    as_user.post(EVENTS, {"type": "x", "payload": {}})
    as_user.post(EVENTS, {"type": "newest", "payload": {}})
    newer = as_user.get(f"{EVENTS}recent/").json()["results"]
    assert len(newer) == 100
    assert newer[0]["type"] == "newest"
