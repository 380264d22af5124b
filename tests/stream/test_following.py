"""Following the stream: new events, filters, comments."""

from uuid import uuid4

import pytest

from orchestrator import actions
from orchestrator.models import Event


def record(*types):
    return [str(actions.record_event(type=each, payload={"n": 1}).pk) for each in types]


def test_each_new_event_arrives_once_and_as_the_api_shows_it(stream, follow, as_user):
    record("before")
    client = follow(stream()).started()
    assert client.status == 200
    assert client.headers["content-type"] == "text/event-stream"
    assert client.headers["cache-control"] == "no-store"
    assert client.headers["x-accel-buffering"] == "no"
    ids = record("one", "two") + record("three")
    client.until(lambda each: len(each.events) >= 3)
    assert client.ids == ids
    assert client.events == [as_user.get(f"/api/v1/events/{each}/").json() for each in ids]


def test_a_client_gets_what_passes_its_filter(stream, follow):
    server, job = stream(), uuid4()
    clients = {
        query: follow(server, query).started() for query in ("type=a", f"job={job}", f"type=b&job={job}", "")
    }
    for event_type, of_job in (("a", None), ("a", job), ("b", job), ("b", None)):
        Event.objects.create(type=event_type, job_id=of_job)
    ids = [str(each) for each in Event.objects.order_by("id").values_list("pk", flat=True)]
    expected = {"type=a": ids[:2], f"job={job}": ids[1:3], f"type=b&job={job}": ids[2:3], "": ids}
    for query, client in clients.items():
        client.until(lambda each, query=query: len(each.events) >= len(expected[query]))
    assert {query: client.ids for query, client in clients.items()} == expected


@pytest.mark.one_engine
def test_a_comment_shows_that_the_connection_lives(stream, follow):
    client = follow(stream(), "type=none").started()
    client.until(lambda each: ": still here" in each.lines, "a comment")
    assert client.events == []
