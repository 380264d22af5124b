"""Who may do what: every method of every address, for each role."""

from uuid import uuid4

import pytest
from django.urls import get_resolver
from django.utils import timezone

from orchestrator.choices import Role
from orchestrator.models import Event, Job, Task
from tests.users import client_for, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.one_engine]

ALL, MODERATORS, ADMINS, NOBODY = "user", "moderator", "admin", None
#: Least role by address and method; a method that is not there is 405 for everybody.
NEEDED = {
    "/api/v1/": {"GET": ALL},
    "/api/v1/jobs/": {"GET": ALL, "POST": ALL},
    "/api/v1/jobs/{job}/": {"GET": ALL, "PATCH": ALL, "DELETE": MODERATORS},
    "/api/v1/jobs/{job}/status/": {"PUT": ALL},
    "/api/v1/jobs/{job}/events/": {"GET": ALL},
    "/api/v1/jobs/{job}/heartbeat/": {"POST": ALL},
    "/api/v1/jobs/bulk/": {"POST": ALL},
    "/api/v1/jobs/claim/": {"POST": ALL},
    "/api/v1/jobs/counts/": {"GET": ALL},
    "/api/v1/events/": {"GET": ALL, "POST": ALL},
    "/api/v1/events/{event}/": {"GET": ALL},
    "/api/v1/events/recent/": {"GET": ALL},
    "/api/v1/tasks/": {"GET": ALL, "POST": ALL},
    "/api/v1/tasks/{task}/": {"GET": ALL, "PUT": ALL, "PATCH": ALL, "DELETE": MODERATORS},
    "/api/v1/users/": {"GET": MODERATORS, "POST": ADMINS},
    "/api/v1/users/{user}/": {"GET": MODERATORS, "PATCH": ADMINS, "DELETE": ADMINS},
    "/api/v1/users/me/": {"GET": ALL},
}
TOKEN = str(uuid4())
BODIES = {
    "/api/v1/jobs/": {"name": "x"},
    "/api/v1/jobs/bulk/": {"jobs": [{"name": "x"}]},
    "/api/v1/jobs/claim/": {"worker": "w"},
    "/api/v1/jobs/{job}/heartbeat/": {"lease_token": TOKEN},
    "/api/v1/jobs/{job}/status/": {"status": "running"},
    "/api/v1/events/": {"type": "x", "payload": {}},
    "/api/v1/tasks/": {"title": "x"},
    "/api/v1/tasks/{task}/": {"title": "x"},
    "/api/v1/users/": {"username": "ada", "email": "ada@example.org", "password": "analytical engine no 1"},
}
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


@pytest.fixture
def rows(db):
    leased = {"status": "running", "started_at": timezone.now(), "worker": "w", "lease_token": TOKEN}
    made = {"job": Job.objects.create(name="x", **leased), "event": Event.objects.create(type="x")}
    made |= {"task": Task.objects.create(title="x"), "user": make_user("somebody")}
    return {name: row.pk for name, row in made.items()}


@pytest.mark.slow  # 210 requests
@pytest.mark.parametrize("role", Role.values)
@pytest.mark.parametrize("path", NEEDED)
def test_each_role_may_do_exactly_what_it_covers(rows, role, path):
    client = client_for(make_user("asking", Role(role)))
    for method in METHODS:  # DELETE is the last
        answer = client.generic(method, path.format(**rows), *body(client, path))
        needed = NEEDED[path].get(method)
        if needed is None:
            assert answer.status_code == 405, method
        elif Role(role).covers(Role(needed)):
            assert answer.status_code in (200, 201, 204), (method, answer.content)
        else:
            assert answer.status_code == 403, method
            assert answer.json() == {"detail": f"This requires the role {needed}; your role is {role}."}


def body(client, path):
    return client._encode_data(BODIES.get(path, {}), "json")  # noqa: SLF001


@pytest.mark.parametrize("path", NEEDED)
def test_without_credentials_every_method_is_401(api, rows, path):
    for method in METHODS:
        assert api.generic(method, path.format(**rows)).status_code == 401


def test_no_url_is_missing_above():
    """Every address under /api/v1/ that the router has, but the schema and its page."""
    patterns = {
        prefix + str(inner.pattern)
        for outer in get_resolver().url_patterns
        if hasattr(outer, "url_patterns")
        for entry in outer.url_patterns
        if (prefix := str(entry.pattern)) == "api/v1/"
        for inner in entry.url_patterns
    }
    assert len(patterns) == len(NEEDED), sorted(patterns)


@pytest.mark.parametrize("path", ["/api/v1/schema/", "/api/v1/docs/"])
def test_schema_and_docs_are_public(api, path):
    assert api.get(path).status_code == 200
