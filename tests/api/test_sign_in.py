"""Signing in: what it gives, what it refuses, and how soon a change of the user counts."""

import hmac
import json
import time
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import jwt
import pytest
from django.conf import settings
from django.contrib.auth import hashers
from django.db import connection
from jwt.utils import base64url_encode
from rest_framework.test import APIClient

from orchestrator.auth import cached_users, tokens
from orchestrator.auth.client_ip import client_network
from orchestrator.auth.throttling import MAX_FAILURES_PER_CLIENT, MAX_FAILURES_PER_USERNAME, WINDOW_SECONDS
from orchestrator.choices import Role
from orchestrator.models import User
from tests.users import PASSWORD, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.one_engine]

LOGIN, REFRESH, ME = "/auth/login/", "/auth/refresh/", "/api/v1/users/me/"
WRONG = "wrong horse battery staple"


def login(client, username="user", password=PASSWORD, **headers):
    return client.post(LOGIN, {"username": username, "password": password}, **headers)


def me(token):
    return APIClient().get(ME, HTTP_AUTHORIZATION=f"Bearer {token}")


def test_login_returns_tokens_that_the_api_accepts(api, user):
    answer = login(api)
    body = answer.json()
    assert answer.status_code == 200
    assert list(body) == ["access_token", "refresh_token", "token_type", "expires_in"]
    assert (body["token_type"], body["expires_in"]) == ("bearer", 7200)
    assert answer["Cache-Control"] == "no-store"
    assert me(body["access_token"]).json()["username"] == "user"


def test_refresh_returns_what_login_returns(api, user):
    first = login(api).json()
    answer = api.post(REFRESH, {"refresh_token": first["refresh_token"]})
    assert answer.status_code == 200
    assert answer.json().keys() == first.keys()
    assert me(answer.json()["access_token"]).status_code == 200


def test_unknown_wrong_and_inactive_get_the_same_response(api, user):
    make_user("gone", active=False)
    answers = [login(api, "user", WRONG), login(api, "nobody"), login(api, "gone"), login(api, "gone", WRONG)]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert {answer["WWW-Authenticate"] for answer in answers} == {'Bearer realm="api"'}


def test_unknown_wrong_and_inactive_cost_the_same_work(api, user, monkeypatch):
    make_user("gone", active=False)
    hashed = []
    for hasher in {type(hasher) for hasher in hashers.get_hashers()}:
        encode = hasher.encode
        monkeypatch.setattr(
            hasher,
            "encode",
            lambda self, *args, _e=encode, **more: hashed.append(1) or _e(self, *args, **more),
        )
    work = []
    for name, password in [("user", WRONG), ("nobody", WRONG), ("gone", WRONG), ("gone", PASSWORD)]:
        hashed.clear()
        login(api, name, password)
        work.append(len(hashed))
    assert work == [1, 1, 1, 1]


# --- Tokens -------------------------------------------------------------------------------------------------


def forged(user, key=None, algorithm="HS256", drop=(), **claims):
    """Return a token with claims of our own choice, signed with our key unless it says otherwise."""
    now = datetime.now(UTC)
    whole = {
        "sub": str(user.pk),
        "type": "access",
        "iat": now,
        "exp": now + timedelta(hours=1),
        "jti": "x",
        "pwd": cached_users.password_fingerprint(user),
        **claims,
    }
    kept = {name: value for name, value in whole.items() if name not in drop}
    return jwt.encode(kept, settings.SECRET_KEY if key is None else key, algorithm=algorithm)


def test_the_token_that_is_forged_below_is_valid(user):
    assert me(forged(user)).status_code == 200


def test_a_token_of_a_server_whose_clock_is_ahead_is_valid(user):
    assert me(forged(user, iat=datetime.now(UTC) + timedelta(seconds=5))).status_code == 200


def test_a_token_that_has_just_expired_is_401(user):
    assert me(forged(user, exp=datetime.now(UTC) - timedelta(seconds=1))).status_code == 401


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")  # of a forger's key
@pytest.mark.parametrize(
    "change",
    [
        {"key": "k" * 40},
        {"algorithm": "HS512"},
        {"algorithm": "none", "key": ""},
        {"exp": datetime(2020, 1, 1, tzinfo=UTC)},
        {"iat": datetime(2999, 1, 1, tzinfo=UTC)},
        {"type": "refresh"},
        {"type": None},
        {"sub": "01939b2e-7d2a-7c3a-9b1e-2f6d5c4b3a29"},
        {"sub": "user"},
        {"pwd": "0" * 22},
        {"pwd": ""},
        *[{"drop": (claim,)} for claim in ("sub", "type", "iat", "exp", "jti", "pwd")],
    ],
    ids=str,
)
def test_a_forged_or_truncated_token_is_401(user, change):
    answer = me(forged(user, **change))
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == 'Bearer realm="api"'


ODD_VALUES = [
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    float("inf"),
    float("nan"),
    "",
    "99999999999",
    "x" * 5000,
    "\u0000",
    "\udcff",
    [],
    ["access"],
    {},
    {"a": {"b": 1}},
]


@pytest.mark.parametrize("claim", ["sub", "type", "iat", "exp", "jti", "pwd", "nbf", "aud", "iss", "crit"])
def test_a_correctly_signed_token_with_an_odd_claim_is_never_an_error(user, claim):
    for value in ODD_VALUES:
        claims = {"sub": str(user.pk), "type": "access", "iat": int(time.time()), "exp": 2**32, "jti": "x"}
        claims |= {"pwd": cached_users.password_fingerprint(user), claim: value}
        status = me(signed(json.dumps(claims))).status_code
        assert status == 401 or (status == 200 and claim not in ("sub", "type", "pwd")), value


@pytest.mark.parametrize(
    "payload",
    ["[]", "1", "null", '"x"', "{}", "", "{", "[" * 100_000, '{"exp":' + "9" * 5000 + "}", "\ud800", "NaN"],
    ids=lambda payload: payload[:10],
)
def test_a_correctly_signed_token_of_another_shape_is_401(user, payload):
    assert me(signed(payload)).status_code == 401


@pytest.mark.parametrize(
    "header",
    [
        "[]",
        "{}",
        '{"alg":null}',
        '{"alg":["HS256"]}',
        '{"alg":{}}',
        '{"alg":"HS256","kid":1}',
        '{"alg":"HS256","b64":false}',
        '{"alg":"HS256","b64":false,"crit":["b64"]}',
        '{"alg":"HS256","crit":["x"]}',
        '{"alg":"HS256","crit":1}',
        '{"alg":' + "[" * 100_000,
        '{"alg":"HS256","x":' + "9" * 5000 + "}",
    ],
    ids=lambda header: header[:30],
)
def test_a_token_with_an_odd_header_is_401(user, header):
    assert me(signed("{}", header)).status_code == 401
    assert me(signed("{}", header, key="another")).status_code == 401


def signed(payload, header='{"alg":"HS256","typ":"JWT"}', key=None):
    """Return a token of any two texts, correctly signed."""
    parts = b".".join(base64url_encode(text.encode(errors="surrogatepass")) for text in (header, payload))
    signature = hmac.digest((key or settings.SECRET_KEY).encode(), parts, "sha256")
    return b".".join((parts, base64url_encode(signature))).decode()


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer a b", "Bearer ü", "bearer x.y.z", "Bearer " + "x" * 9000, "Bearer \0"]
)
def test_a_header_without_a_token_is_401(api, header):
    assert api.get(ME, HTTP_AUTHORIZATION=header).status_code == 401


@pytest.mark.parametrize("header", ["", "Basic dXNlcjpwYXNz", "Token x"])
def test_without_credentials_www_authenticate_names_the_scheme(api, header):
    for path in ("jobs", "jobs/counts", "events", "events/recent", "tasks", "users", "users/me"):
        answer = api.get(f"/api/v1/{path}/", HTTP_AUTHORIZATION=header)
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"] == 'Bearer realm="api"'


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
@pytest.mark.parametrize(
    "change",
    [{"password": "another horse battery staple"}, {"active": False}, None],
    ids=["password", "inactive", "deleted"],
)
def test_deactivation_or_a_new_password_ends_tokens_at_the_next_request(api, user, as_admin, kind, change):
    token = login(api).json()[kind]

    def use():
        return me(token) if kind == "access_token" else api.post(REFRESH, {"refresh_token": token})

    assert use().status_code == 200
    address = f"/api/v1/users/{user.pk}/"
    done = as_admin.delete(address) if change is None else as_admin.patch(address, change)
    assert done.status_code in (200, 204)
    assert use().status_code == 401


def test_a_changed_role_applies_to_the_next_request(as_user, as_admin, user):
    assert as_user.get("/api/v1/users/").status_code == 403
    as_admin.patch(f"/api/v1/users/{user.pk}/", {"role": Role.MODERATOR})
    assert as_user.get("/api/v1/users/").status_code == 200
    as_admin.patch(f"/api/v1/users/{user.pk}/", {"role": Role.USER})
    assert as_user.get("/api/v1/users/").status_code == 403


def test_access_and_refresh_tokens_are_not_interchangeable(api, user):
    given = login(api).json()
    assert api.post(REFRESH, {"refresh_token": given["access_token"]}).status_code == 401
    assert me(given["refresh_token"]).status_code == 401


def test_login_ignores_an_expired_token_in_the_header(api, user):
    api.credentials(HTTP_AUTHORIZATION="Bearer dead")
    refresh = login(api).json()["refresh_token"]
    assert api.post(REFRESH, {"refresh_token": refresh}).status_code == 200


def test_a_token_contains_nothing_about_the_password(user):
    claims = jwt.decode(tokens.issue_tokens(user)["access_token"], options={"verify_signature": False})
    assert claims.keys() == {"sub", "type", "iat", "exp", "jti", "pwd"}
    assert not any(claims["pwd"] in secret for secret in (user.password, user.get_session_auth_hash()))


# --- Sessions -----------------------------------------------------------------------------------------------


@pytest.fixture
def in_session(user):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(user)
    return client


def test_a_session_may_read(in_session):
    assert in_session.get(ME).json()["username"] == "user"


def test_a_session_needs_its_csrf_token_to_write(in_session):
    body = {"name": "Index documents"}
    refused = in_session.post("/api/v1/jobs/", body)
    assert refused.status_code == 403
    assert "CSRF" in refused.json()["detail"]
    token = in_session.get("/auth/session/login/").cookies["csrftoken"].value
    assert in_session.post("/api/v1/jobs/", body, HTTP_X_CSRFTOKEN=token).status_code == 201


def test_a_session_ends_with_its_user(in_session, user):
    User.objects.filter(pk=user.pk).update(active=False)
    assert in_session.get(ME).status_code == 401


# --- Guessing -----------------------------------------------------------------------------------------------


def test_too_many_failures_for_a_username_are_429_whatever_the_password(api, user):
    answers = [login(api, "user", WRONG).status_code for _ in range(MAX_FAILURES_PER_USERNAME + 1)]
    assert answers == [401] * MAX_FAILURES_PER_USERNAME + [429]
    stopped = login(api)
    assert stopped.status_code == 429
    assert 0 < int(stopped["Retry-After"]) <= WINDOW_SECONDS + 1
    assert stopped.json()["detail"].startswith("Too many failed attempts")


def test_failures_for_a_username_affect_neither_other_users_nor_other_ips(api, user):
    make_user("other")
    for _ in range(MAX_FAILURES_PER_USERNAME):
        login(api, "user", WRONG)
    assert login(api).status_code == 429
    assert login(api, "other").status_code == 200
    assert login(api, REMOTE_ADDR="192.0.2.7").status_code == 200


def test_failures_for_many_usernames_block_the_ip(api, user):
    for number in range(MAX_FAILURES_PER_CLIENT):
        assert login(api, f"nobody{number}", WRONG).status_code == 401
    assert login(api).status_code == 429
    assert login(api, REMOTE_ADDR="192.0.2.7").status_code == 200


def test_successful_logins_are_never_throttled(api, user):
    assert {login(api).status_code for _ in range(MAX_FAILURES_PER_USERNAME * 2)} == {200}
    for _ in range(MAX_FAILURES_PER_USERNAME - 1):
        login(api, "user", WRONG)
    assert {login(api).status_code for _ in range(MAX_FAILURES_PER_USERNAME)} == {200}


def test_a_new_window_starts_after_the_old_one(api, user, monkeypatch):
    for _ in range(MAX_FAILURES_PER_USERNAME):
        login(api, "user", WRONG)
    wait = int(login(api)["Retry-After"])
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + wait + 1)
    assert login(api).status_code == 200


@pytest.mark.parametrize("page", ["/auth/session/login/", "/admin/login/"])
def test_the_login_pages_are_throttled_too(client, page):
    admin = make_user("root", Role.ADMIN)
    for _ in range(MAX_FAILURES_PER_USERNAME):
        client.post(page, {"username": "root", "password": WRONG})
    answer = client.post(page, {"username": "root", "password": PASSWORD})
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= WINDOW_SECONDS + 1
    assert "Too many failed attempts" in answer.content.decode()
    assert "_auth_user_id" not in client.session
    assert admin.active


def test_the_throttle_stores_no_username_and_no_password(api, user):
    login(api, "user", WRONG)
    keys = [key for key, _ in stored_windows()]
    assert len(keys) == 2
    assert "user" not in "".join(keys)


def stored_windows():
    with connection.cursor() as cursor:
        cursor.execute("SELECT key, attempts FROM login_windows")
        return cursor.fetchall()


def test_windows_that_are_over_are_deleted(api, user, monkeypatch):
    for number in range(3):
        login(api, f"nobody{number}", WRONG)
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + WINDOW_SECONDS + 2)
    login(api, "user", WRONG)
    assert [attempts for _, attempts in stored_windows()] == [1, 1]


def test_refused_logins_are_not_counted(api, user):
    for _ in range(MAX_FAILURES_PER_CLIENT + 12):
        login(api, "user", WRONG)
    assert [attempts for _, attempts in stored_windows()] == [MAX_FAILURES_PER_USERNAME] * 2
    make_user("other")
    assert login(api, "other").status_code == 200


@pytest.mark.parametrize("workers", [1, 2])
def test_logins_at_the_same_time_are_counted_before_their_passwords_are_checked(web, workers):
    make_user("user")
    url = web(workers, env={"REDIS_URL": "none"}) + LOGIN
    body = json.dumps({"username": "user", "password": WRONG}).encode()

    def status(_):
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310
        try:
            return urllib.request.urlopen(request, timeout=60).status  # noqa: S310
        except urllib.error.HTTPError as error:
            return error.code

    with ThreadPoolExecutor(40) as pool:
        statuses = Counter(pool.map(status, range(40)))
    assert statuses == {401: MAX_FAILURES_PER_USERNAME, 429: 40 - MAX_FAILURES_PER_USERNAME}


# --- Clients behind proxies ---------------------------------------------------------------------------------


@pytest.fixture
def behind_proxies(settings):
    settings.TRUSTED_PROXIES = [ip_network(network) for network in ("10.0.0.0/8", "2001:db8:ffff::/48")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.7", None, "192.0.2.7"),
        ("192.0.2.7", "198.51.100.1", "192.0.2.7"),  # the peer is no proxy
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.1", "198.51.100.1"),  # the client wrote the first itself
        ("10.0.0.1", "203.0.113.9,198.51.100.1 ,10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "10.9.9.9, 10.0.0.2", "10.9.9.9"),
        ("10.0.0.1", "198.51.100.1, nonsense", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
        ("::ffff:10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
        ("2001:db8:ffff::1", '"[2001:db8:1:2:3:4:5:6]:4711"', "2001:db8:1:2::/64"),
        ("2001:db8:1:2:aaaa::1", None, "2001:db8:1:2::/64"),
        ("fe80::1%eth0", None, "fe80::/64"),
        ("", "198.51.100.1", ""),
        ("10.0.0.1", "," * 100_000, "10.0.0.1"),
    ],
)
def test_the_client_of_a_request(behind_proxies, peer, forwarded, client):
    headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    assert client_network({"REMOTE_ADDR": peer, **headers}) == client


def test_without_trusted_proxies_nobody_can_choose_their_address(api):
    assert client_network({"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "192.0.2.7"}) == "10.0.0.1"


def test_behind_a_proxy_one_client_does_not_lock_out_the_others(api, user, behind_proxies):
    for number in range(MAX_FAILURES_PER_CLIENT + 12):
        login(api, f"nobody{number}", WRONG, REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR="192.0.2.7")
    for client, status in [("192.0.2.7", 429), ("9.9.9.9, 192.0.2.7", 429), ("192.0.2.8", 200)]:
        answer = login(api, REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=client)
        assert answer.status_code == status


def test_all_addresses_of_an_ipv6_network_are_one_client(api, user):
    for number in range(MAX_FAILURES_PER_USERNAME):
        assert login(api, "user", WRONG, REMOTE_ADDR=f"2001:db8::{number}").status_code == 401
    assert login(api, REMOTE_ADDR="2001:db8::ffff:ffff:ffff:ffff").status_code == 429
    assert login(api, REMOTE_ADDR="2001:db8:0:1::1").status_code == 200
