"""A cached response needs the same authorization as any other, and a change of a user applies at once."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY
from rest_framework.test import APIClient

from orchestrator.cache import timing
from orchestrator.choices import Role
from orchestrator.models import Job, User
from tests.cache.assertions import cache_status, warm
from tests.cache.wsgi_client import MiddlewareClient
from tests.servers.valkey import ValkeyServer
from tests.users import PASSWORD, make_user, sign_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("long_lease")]

LIST, USERS, ME = "/api/v1/jobs/", "/api/v1/users/", "/api/v1/users/me/"


def change_password(user: User) -> None:
    user.set_password("another good password")
    user.save()


#: Changes of a user, and the status that the old token gets then for the list of jobs and for that of users.
CHANGES: dict[str, tuple[Callable[[User], Any], int, int]] = {
    "deactivated": (lambda user: User.objects.filter(pk=user.pk).update(active=False), 401, 401),
    "demoted": (lambda user: User.objects.filter(pk=user.pk).update(role=Role.USER), 200, 403),
    "new password": (change_password, 401, 401),
    "deleted": (lambda user: user.delete(), 401, 401),
}
CACHE_FAILURES: dict[str, Callable[[ValkeyServer], None]] = {
    "none": lambda cache: None,
    "frozen": ValkeyServer.freeze,
    "down": ValkeyServer.kill,
    "emptied": ValkeyServer.flush,
    "restarted": ValkeyServer.restart,
}


#: Each change while the cache works, and one change in each of its failures.
CASES = [*((change, "none") for change in CHANGES), *(("demoted", failure) for failure in CACHE_FAILURES)]


@pytest.mark.parametrize(("change", "failure"), sorted(set(CASES)))
def test_a_changed_user_applies_to_the_next_request(
    change: str,
    failure: str,
    own_cache: Callable[..., ValkeyServer],
    middleware: MiddlewareClient,
    monkeypatch: pytest.MonkeyPatch,
):
    # A little longer than a step of the test: a write that cannot be announced waits until it expires.
    monkeypatch.setattr(timing, "LEASE", 1)
    change_user, jobs_status, users_status = CHANGES[change]
    cache = own_cache()
    user = make_user("mod", Role.MODERATOR)
    client = sign_in(user)
    warm(client, LIST, USERS, ME)
    middleware.remember(client, LIST)

    CACHE_FAILURES[failure](cache)
    try:
        change_user(user)

        assert client.get(USERS).status_code == users_status
        assert client.get(LIST).status_code == jobs_status
        assert client.get(ME).status_code == jobs_status
        assert middleware.get(client, USERS).status == users_status
        assert middleware.get(client, LIST).status == jobs_status
    finally:
        if failure == "frozen":
            cache.thaw()
    assert client.get(USERS).status_code == users_status
    assert middleware.get(client, LIST).status == jobs_status


@pytest.mark.one_engine
def test_a_304_needs_the_same_role_as_a_200(
    as_user: APIClient, as_moderator: APIClient, api: APIClient, middleware: MiddlewareClient
):
    warm(as_moderator, USERS)
    etag = as_moderator.get(USERS)["ETag"]

    for tag in (etag, "*", f"W/{etag}"):
        assert as_moderator.get(USERS, HTTP_IF_NONE_MATCH=tag).status_code == 304
        assert as_user.get(USERS, HTTP_IF_NONE_MATCH=tag).status_code == 403
        assert api.get(USERS, HTTP_IF_NONE_MATCH=tag).status_code == 401
        assert middleware.get(as_moderator, USERS, HTTP_IF_NONE_MATCH=tag).status == 304
        assert middleware.get(as_user, USERS, HTTP_IF_NONE_MATCH=tag).status == 403
        assert middleware.get(api, USERS, HTTP_IF_NONE_MATCH=tag).status == 401


@pytest.mark.one_engine
def test_a_personal_response_is_never_served_to_another_user(middleware: MiddlewareClient):
    clients = {name: sign_in(make_user(name)) for name in ("ada", "bob", "cyd")}
    for _ in range(3):
        for name, client in clients.items():
            assert client.get(ME).json()["username"] == name
            assert middleware.get(client, ME).json()["username"] == name


@pytest.mark.one_engine
def test_the_middleware_requires_a_valid_token(as_user: APIClient, middleware: MiddlewareClient):
    warm(as_user, LIST)
    middleware.remember(as_user, LIST)
    valid = as_user._credentials["HTTP_AUTHORIZATION"]  # noqa: SLF001
    head, _, tail = valid.rpartition(".")

    for wrong in (
        "Bearer",
        "Bearer x",
        f"Bearer {valid}",
        f"{head}.{tail[::-1]}",
        valid.replace("Bearer", "Basic"),
        "Bearer " + "x" * 10_000,
        "",
    ):
        other = APIClient()
        other.credentials(HTTP_AUTHORIZATION=wrong)
        assert middleware.get(other, LIST).status == other.get(LIST).status_code == 401, wrong


@pytest.mark.one_engine
def test_a_refresh_token_is_401(as_user: APIClient, user: User, api: APIClient, middleware: MiddlewareClient):
    warm(as_user, LIST)
    middleware.remember(as_user, LIST)
    tokens = api.post("/auth/login/", {"username": "user", "password": PASSWORD}).json()
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens['refresh_token']}")

    assert api.get(LIST).status_code == middleware.get(api, LIST).status == 401


def test_a_session_gets_the_same_responses_with_the_same_roles(as_moderator: APIClient, moderator: User):
    browser = APIClient()
    browser.force_login(moderator)
    assert SESSION_KEY in browser.session
    warm(as_moderator, LIST, USERS)

    assert cache_status(browser, LIST) == cache_status(browser, USERS) == "HIT"
    User.objects.filter(pk=moderator.pk).update(role=Role.USER)
    assert browser.get(USERS).status_code == 403
    assert cache_status(browser, LIST) == "HIT"
    User.objects.filter(pk=moderator.pk).update(active=False)
    assert browser.get(LIST).status_code in (401, 403)


def test_a_promotion_applies_to_the_next_request(as_user: APIClient, user: User):
    assert as_user.get(USERS).status_code == 403
    User.objects.filter(pk=user.pk).update(role=Role.MODERATOR)
    assert as_user.get(USERS).status_code == 200


@pytest.mark.one_engine
@pytest.mark.parametrize("path", [LIST, "/api/v1/events/", "/api/v1/tasks/", USERS, "/api/v1/jobs/counts/"])
def test_an_anonymous_request_is_401(
    path: str, as_moderator: APIClient, api: APIClient, middleware: MiddlewareClient
):
    Job.objects.create(name="x")
    warm(as_moderator, path)
    if path != USERS:
        middleware.remember(as_moderator, path)

    assert api.get(path).status_code == middleware.get(api, path).status == 401
