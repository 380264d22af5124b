"""A rolling deploy: two versions of the code share one cache, and neither reads the other's entries."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from orchestrator.models import Job, User
from tests.cache.assertions import warm
from tests.cache.other_version import REMOVED
from tests.http_client import HttpClient
from tests.polling import wait_until
from tests.users import client_for

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("long_lease"),
    pytest.mark.one_engine,
]

HOST = "localhost"
JOBS, ME = "/api/v1/jobs/", "/api/v1/users/me/"


@pytest.fixture
def other(web: Callable[..., str], user: User) -> HttpClient:
    """A client of the other version's web server, signed in as ``user``."""
    url = web(workers=1, application="tests.cache.other_version:application")
    return HttpClient(url, {"Host": HOST}).sign_in("user")


@pytest.fixture
def ours(other: HttpClient, user: User) -> APIClient:
    """A client of this version, of the same user and for the same URLs: they are part of what is cached."""
    user.refresh_from_db()  # signing in to the web server has hashed the password anew
    client = client_for(user)
    client.credentials(**client._credentials, HTTP_HOST=HOST)  # noqa: SLF001 - to add to them
    return client


def hit_of_other(other: HttpClient, path: str) -> Any:
    def cached() -> Any:
        response = other.get(path)
        return response if response.headers["X-Cache"] == "HIT" else None

    return wait_until(cached, what=f"the other version's hit of {path}").json()


def test_entries_of_another_version_are_a_miss(other: HttpClient, ours: APIClient):
    Job.objects.create(name="a job")
    (theirs,) = hit_of_other(other, JOBS)["results"]
    assert REMOVED not in theirs

    response = ours.get(JOBS)

    assert response.status_code == 200
    assert REMOVED in response.json()["results"][0]
    warm(ours, JOBS, ME)
    assert other.get(JOBS).json()["results"] == [theirs]
    assert hit_of_other(other, JOBS)["results"] == [theirs]


def test_a_write_of_either_version_invalidates_the_entries_of_both(
    other: HttpClient, ours: APIClient, user: User
):
    job = Job.objects.create(name="before")
    path = f"{JOBS}{job.pk}/"
    warm(ours, path, ME)
    hit_of_other(other, path)
    hit_of_other(other, ME)

    assert other.patch(path, {"name": "written by the other version"}).status == 200
    assert ours.get(path).json()["name"] == "written by the other version"
    assert other.get(path).json()["name"] == "written by the other version"

    warm(ours, path, ME)
    hit_of_other(other, path)
    assert ours.patch(path, {"name": "written by this version"}).status_code == 200
    assert ours.get(path).json()["name"] == "written by this version"
    assert other.get(path).json()["name"] == "written by this version"

    User.objects.filter(pk=user.pk).update(active=False)
    assert ours.get(ME).status_code == other.get(ME).status == 401
