"""``replay`` runs a cached request again, without the cache, from its response key."""

from uuid import UUID

import pytest
from rest_framework.test import APIClient

from orchestrator.api.replay import replay
from orchestrator.auth import cached_users
from orchestrator.cache.response_key import ResponseKey
from orchestrator.models import Event, Job, User
from tests.cache.assertions import warm

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("long_lease"),
    pytest.mark.one_engine,
]

SITE = "http://testserver"


def test_returns_what_was_cached(as_moderator: APIClient, moderator: User):
    job = Job.objects.create(name="x")
    paths = (
        "/api/v1/jobs/",
        "/api/v1/users/?role=moderator",
        f"/api/v1/jobs/{job.pk}/",
        "/api/v1/jobs/counts/",
    )
    for path, body in warm(as_moderator, *paths).items():
        replayed = replay(f"{SITE}{path}")

        assert replayed
        assert (replayed.body, replayed.spec.key) == (body, f"{SITE}{path}")

    own = ResponseKey(f"{SITE}/api/v1/users/me/", moderator.pk).encode()
    replayed = replay(own)
    assert replayed
    assert replayed.body == warm(as_moderator, "/api/v1/users/me/")["/api/v1/users/me/"]
    assert replayed.spec.key == own


def test_reads_the_database_and_not_the_cache(as_user: APIClient):
    job = Job.objects.create(name="x")
    warm(as_user, f"/api/v1/jobs/{job.pk}/")
    Job.objects.filter(pk=job.pk).update(name="y")

    replayed = replay(f"{SITE}/api/v1/jobs/{job.pk}/")

    assert replayed
    assert b'"name":"y"' in replayed.body


def test_returns_a_cached_user(user: User):
    replayed = replay(cached_users.cache_spec(user.pk).key)

    assert replayed
    assert cached_users.from_bytes(replayed.body).username == "user"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "nonsense",
        "user",
        "user nonsense",
        f"user {UUID(int=1).hex}",
        f"{SITE}/api/v1/users/me/ {UUID(int=1).hex}",
        f"{SITE}/api/v1/jobs/{UUID(int=1)}/",
        f"{SITE}/api/v1/jobs/nonsense/",
        f"{SITE}/api/v1/jobs/?cursor=x",
        f"{SITE}/api/v1/jobs/?status=banana",
        f"{SITE}/api/v1/events/recent/",
        f"{SITE}/api/v1/schema/",
        f"{SITE}/admin/",
        f"{SITE}/nothing/",
        "ftp://testserver/api/v1/jobs/",
    ],
)
def test_returns_none_for_a_key_without_a_comparable_response(key: str):
    Event.objects.create(type="x")

    assert replay(key) is None


@pytest.mark.parametrize(
    "key",
    [
        ResponseKey("https://x/?a=%20b"),
        ResponseKey("https://x/", UUID(int=1)),
        ResponseKey(user_id=UUID(int=2)),
    ],
    ids=lambda key: key.encode(),
)
def test_a_key_is_decoded_to_what_was_encoded(key: ResponseKey):
    assert ResponseKey.decode(key.encode()) == key
