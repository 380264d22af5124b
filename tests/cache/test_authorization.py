"""Cached or not, an answer is for those who may have it, from the next request on, by every way in."""

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


#: What happens to an account, and what its old token gets then: of a list for all, and of one for moderators.
CHANGES: dict[str, tuple[Callable[[User], Any], int, int]] = {
    "deactivated": (lambda user: User.objects.filter(pk=user.pk).update(active=False), 401, 401),
    "demoted": (lambda user: User.objects.filter(pk=user.pk).update(role=Role.USER), 200, 403),
    "new password": (change_password, 401, 401),
    "deleted": (lambda user: user.delete(), 401, 401),
}
TROUBLES: dict[str, Callable[[ValkeyServer], None]] = {
    "whole": lambda cache: None,
    "frozen": ValkeyServer.freeze,
    "down": ValkeyServer.kill,
    "emptied": ValkeyServer.flush,
    "restarted": ValkeyServer.restart,
}


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_user_applies_to_the_next_request(
    change: str,
    trouble: str,
    own_cache: Callable[..., ValkeyServer],
    middleware: MiddlewareClient,
    monkeypatch: pytest.MonkeyPatch,
):
    # Longer than a step of the test, and no longer: a write that cannot be announced waits for its end.
    monkeypatch.setattr(timing, "LEASE", 1)
    happen, of_all, of_moderators = CHANGES[change]
    cache = own_cache()
    user = make_user("mod", Role.MODERATOR)
    client = sign_in(user)
    warm(client, LIST, USERS, ME)
    middleware.remember(client, LIST, USERS)

    TROUBLES[trouble](cache)
    try:
        happen(user)

        assert client.get(USERS).status_code == of_moderators
        assert client.get(LIST).status_code == of_all
        assert client.get(ME).status_code == of_all
        assert middleware.get(client, USERS).status == of_moderators
        assert middleware.get(client, LIST).status == of_all
    finally:
        if trouble == "frozen":
            cache.thaw()
    assert client.get(USERS).status_code == of_moderators
    assert middleware.get(client, LIST).status == of_all


def test_a_304_needs_the_rights_of_a_200(
    as_user: APIClient, as_moderator: APIClient, api: APIClient, middleware: MiddlewareClient
):
    warm(as_moderator, USERS)
    middleware.remember(as_moderator, USERS)
    etag = as_moderator.get(USERS)["ETag"]

    for tag in (etag, "*", f"W/{etag}"):
        assert as_moderator.get(USERS, HTTP_IF_NONE_MATCH=tag).status_code == 304
        assert as_user.get(USERS, HTTP_IF_NONE_MATCH=tag).status_code == 403
        assert api.get(USERS, HTTP_IF_NONE_MATCH=tag).status_code == 401
        assert middleware.get(as_moderator, USERS, HTTP_IF_NONE_MATCH=tag).status == 304
        assert middleware.get(as_user, USERS, HTTP_IF_NONE_MATCH=tag).status == 403
        assert middleware.get(api, USERS, HTTP_IF_NONE_MATCH=tag).status == 401


def test_a_personal_response_is_never_served_to_another_user(middleware: MiddlewareClient):
    clients = {name: sign_in(make_user(name)) for name in ("ada", "bob", "cyd")}
    for _ in range(3):
        for name, client in clients.items():
            assert client.get(ME).json()["username"] == name
            assert middleware.get(client, ME).json()["username"] == name


def test_the_middleware_requires_a_valid_token(as_user: APIClient, middleware: MiddlewareClient):
    warm(as_user, LIST)
    middleware.remember(as_user, LIST)
    genuine = as_user._credentials["HTTP_AUTHORIZATION"]  # noqa: SLF001
    head, _, tail = genuine.rpartition(".")

    for wrong in (
        "Bearer",
        "Bearer x",
        f"Bearer {genuine}",
        f"{head}.{tail[::-1]}",
        genuine.replace("Bearer", "Basic"),
        "Bearer " + "x" * 10_000,
        "",
    ):
        other = APIClient()
        other.credentials(HTTP_AUTHORIZATION=wrong)
        assert middleware.get(other, LIST).status == other.get(LIST).status_code == 401, wrong


def test_a_refresh_token_is_401(as_user: APIClient, user: User, api: APIClient, middleware: MiddlewareClient):
    warm(as_user, LIST)
    middleware.remember(as_user, LIST)
    tokens = api.post("/auth/login/", {"username": "user", "password": PASSWORD}).json()
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens['refresh_token']}")

    assert api.get(LIST).status_code == middleware.get(api, LIST).status == 401


def test_sessions_get_the_same_responses_with_the_same_rights(as_moderator: APIClient, moderator: User):
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


@pytest.mark.parametrize("path", [LIST, "/api/v1/events/", "/api/v1/tasks/", USERS, "/api/v1/jobs/counts/"])
def test_an_anonymous_request_is_401(
    path: str, as_moderator: APIClient, api: APIClient, middleware: MiddlewareClient
):
    Job.objects.create(name="x")
    warm(as_moderator, path)
    middleware.remember(as_moderator, path)

    assert api.get(path).status_code == middleware.get(api, path).status == 401
