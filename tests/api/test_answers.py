"""What all responses have in common: ETags, methods, CORS headers, and errors in JSON."""

import sqlite3

import psycopg
import pytest
from django.db import connection

from orchestrator import actions
from orchestrator.models import Event, Job, Task

pytestmark = pytest.mark.django_db

READ = [
    "jobs/",
    "jobs/counts/",
    "jobs/{job}/",
    "jobs/{job}/events/",
    "events/",
    "events/recent/",
    "events/{event}/",
    "tasks/",
    "tasks/{task}/",
    "users/",
    "users/{user}/",
    "users/me/",
]


@pytest.fixture
def urls(moderator):
    """The URLs of ``READ``, in its order."""
    rows = {
        "job": actions.create_job(by="ada", name="x"),
        "event": Event.objects.create(type="x"),
        "task": Task.objects.create(title="x"),
        "user": moderator,
    }
    ids = {name: row.pk for name, row in rows.items()}
    return [f"/api/v1/{path.format(**ids)}" for path in READ]


@pytest.mark.one_engine
@pytest.mark.parametrize("place", range(len(READ)), ids=READ)
def test_if_none_match_with_the_current_etag_is_304(as_moderator, urls, place):
    url = urls[place]
    first = as_moderator.get(url)
    assert first["Cache-Control"] == "private, no-cache"
    assert first["ETag"].startswith('"')
    assert {"Accept", "Authorization", "Cookie"} <= {name.strip() for name in first["Vary"].split(",")}
    for known in (first["ETag"], f"W/{first['ETag']}", f'"x", {first["ETag"]}', "*"):
        again = as_moderator.get(url, HTTP_IF_NONE_MATCH=known)
        assert (again.status_code, again.content) == (304, b"")
        assert again["ETag"] == first["ETag"]
        assert again["Cache-Control"] == "private, no-cache"
    for unknown in ('"x"', "", first["ETag"].strip('"'), "nonsense"):
        assert as_moderator.get(url, HTTP_IF_NONE_MATCH=unknown).content == first.content


def test_etags_change_with_their_resource(as_moderator, urls):
    before = [as_moderator.get(url)["ETag"] for url in urls[:6]]
    as_moderator.put(f"{urls[2]}status/", {"status": "running"})
    changed = [
        as_moderator.get(url, HTTP_IF_NONE_MATCH=tag).status_code
        for url, tag in zip(urls[:6], before, strict=True)
    ]
    assert changed == [200] * 6


def test_head_returns_the_headers_of_get(as_moderator, urls):
    for url in urls:
        head = as_moderator.head(url)
        assert (head.status_code, head.content) == (200, b"")
        assert head["ETag"] == as_moderator.get(url)["ETag"]


def test_options_describes_the_resource(as_user):
    assert as_user.options("/api/v1/jobs/").json()["name"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/nothing/",
        "/api/v2/",
        "/auth/nothing/",
        "/monitoring/nothing",
        "/api/v1/jobs/x/y/z/",
        "/api/v1/jobs/%00/",
    ],
)
def test_an_unknown_url_is_404_in_json(as_user, path):
    answer = as_user.get(path)
    assert answer.status_code == 404
    assert list(answer.json()) == ["detail"]


def test_a_url_without_its_slash_redirects(as_user):
    assert as_user.get("/api/v1/jobs")["Location"] == "/api/v1/jobs/"


@pytest.fixture
def blocker(transactional_db, database_url, engine):
    """A second connection, and the test's own told to wait for it for a moment only."""
    if engine == "sqlite":
        other = sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)
        wait, lock, reset = "PRAGMA busy_timeout = 50", "BEGIN IMMEDIATE", "PRAGMA busy_timeout = 10000"
    else:
        other = psycopg.connect(database_url)
        wait, lock, reset = "SET lock_timeout = '50ms'", "LOCK TABLE jobs", "RESET lock_timeout"
    with connection.cursor() as cursor:
        cursor.execute(wait)
        yield lambda: other.execute(lock), other.rollback
        other.close()
        cursor.execute(reset)


@pytest.mark.django_db(transaction=True)
def test_a_database_timeout_is_503_and_stores_nothing(blocker, as_user):
    block, release = blocker
    block()
    answer = as_user.post("/api/v1/jobs/", {"name": "x"})
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert answer.json() == {"detail": "The database is unavailable. Try again."}
    release()
    assert not Job.objects.exists()
    assert as_user.post("/api/v1/jobs/", {"name": "x"}).status_code == 201


def test_other_origins_may_send_conditions_and_read_the_headers_of_a_response(as_user, settings):
    origin = settings.CORS_ALLOWED_ORIGINS[0]
    wanted = {
        "if-match",
        "if-none-match",
        "idempotency-key",
        "last-event-id",
        "authorization",
        "content-type",
    }
    preflight = as_user.options(
        "/api/v1/jobs/",
        HTTP_ORIGIN=origin,
        HTTP_ACCESS_CONTROL_REQUEST_METHOD="PATCH",
        HTTP_ACCESS_CONTROL_REQUEST_HEADERS=", ".join(wanted),
    )
    assert wanted <= set(preflight["Access-Control-Allow-Headers"].split(", "))
    response = as_user.get("/api/v1/jobs/", HTTP_ORIGIN=origin)
    assert response["Access-Control-Allow-Origin"] == origin
    assert {"ETag", "X-Cache", "Retry-After", "Location"} <= set(
        response["Access-Control-Expose-Headers"].split(", ")
    )


def test_an_unexpected_error_is_500_without_details(as_user, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("the secret cause")

    monkeypatch.setattr(actions, "create_job", broken)
    as_user.raise_request_exception = False
    answer = as_user.post("/api/v1/jobs/", {"name": "x"})
    assert answer.status_code == 500
    assert answer.json() == {"detail": "A server error occurred."}
