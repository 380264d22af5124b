"""Who may follow the stream, and for how long."""

import json
import time
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core import signing
from django.db import connection
from django.test import Client
from django.utils import timezone

from kyros.stream_server.stream_application import CHECK_SECONDS
from orchestrator import actions
from orchestrator.auth import tokens
from orchestrator.stream import rights, tickets
from orchestrator.stream.access import Access
from tests.servers.stream import PATH, StreamClient
from tests.users import PASSWORD


def ticket_of(response):
    assert response.status_code == 307, response.content
    return parse_qs(urlsplit(response["Location"]).query)["ticket"][0]


@pytest.mark.one_engine
def test_the_web_server_redirects_a_user_with_a_ticket(user, as_user):
    query = "type=job_failed&job=018f0000-0000-7000-8000-000000000000"
    response = as_user.get(f"{PATH}?{query}", HTTP_ACCEPT="text/event-stream", HTTP_HOST="localhost:9999")
    assert response.status_code == 307
    assert response["Cache-Control"] == "no-store"
    url = urlsplit(response["Location"])
    assert (url.scheme, url.netloc, url.path) == ("http", f"localhost:{settings.STREAM_PORT}", PATH)
    assert url.query.startswith(f"{query}&ticket=")
    assert as_user.get(PATH, HTTP_HOST="[::1]:80")["Location"].startswith(
        f"http://[::1]:{settings.STREAM_PORT}/"
    )


@pytest.mark.one_engine
def test_a_token_that_expires_during_the_request_is_401(user, api, monkeypatch):
    token, later = tokens.issue_tokens(user)["access_token"], time.time() + 60 * settings.JWT_ACCESS_MINUTES
    find = tokens.cached_users.current

    def find_slowly(user_id):
        monkeypatch.setattr(tokens.time, "time", lambda: later)
        return find(user_id)

    monkeypatch.setattr(tokens.cached_users, "current", find_slowly)
    response = api.get(PATH, HTTP_AUTHORIZATION=f"Bearer {token}")
    assert (response.status_code, response.json()) == (401, {"detail": "The token has expired."})


def test_it_needs_credentials_and_names_bad_parameters(api, as_user):
    assert api.get(PATH).status_code == 401
    assert api.get(f"{PATH}?ticket=forged").status_code == 401
    for query, parameter in (
        ("job=banana", "job"),
        ("type=%00", "type"),
        (f"type={'x' * 101}", "type"),
        ("limit=3", "limit"),
        ("last_event_id=banana", "last_event_id"),
    ):
        response = as_user.get(f"{PATH}?{query}")
        assert (response.status_code, list(response.json())) == (400, [parameter]), query
    assert as_user.get("/api/v1/events/?job=banana").json() == as_user.get(f"{PATH}?job=banana").json()
    assert as_user.get(PATH, HTTP_LAST_EVENT_ID="banana").status_code == 400
    assert as_user.post(PATH, {}).status_code == 405


def access_of(user, seconds=3600):
    return Access(user.pk, tokens.cached_users.password_fingerprint(user), int(time.time()) + seconds)


def used_nonces():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM stream_tickets")
        return cursor.fetchone()[0]


def test_a_ticket_is_valid_once(user):
    access = access_of(user)
    ticket = tickets.issue(access)
    assert tickets.redeem(ticket) == access
    with pytest.raises(tickets.InvalidTicket, match="used"):
        tickets.redeem(ticket)
    tickets.prune()
    assert used_nonces() == 1  # it could be used a second time otherwise


@pytest.mark.one_engine
def test_a_ticket_ends_with_its_minute_its_user_and_its_credential(user, monkeypatch):
    ticket, other = tickets.issue(access_of(user)), tickets.issue(access_of(user))
    for expired in (tickets.issue(access_of(user, -1)), signing.dumps([1], salt="other"), "banana"):
        with pytest.raises(tickets.InvalidTicket):
            tickets.redeem(expired)
    user.set_password("another one")
    user.save()
    with pytest.raises(tickets.InvalidTicket):
        tickets.redeem(other)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + tickets.TICKET_SECONDS + 1)
    with pytest.raises(tickets.InvalidTicket, match="expired"):
        tickets.redeem(ticket)
    monkeypatch.setattr(time, "time", lambda: now + 3 * tickets.TICKET_SECONDS)
    tickets.prune()
    assert used_nonces() == 0


@pytest.mark.one_engine
def test_a_ticket_opens_the_stream_once_and_its_process_serves_nothing_else(stream, as_user):
    server = stream()
    url = f"{server.url}{PATH}?{urlencode({'ticket': ticket_of(as_user.get(PATH))})}"
    first, origin = StreamClient(url, {}).started(), f"http://127.0.0.1:{settings.PORT}"
    assert first.status == 200
    second = StreamClient(url, {"Origin": origin}).until(lambda client: client.ended)
    assert (second.status, second.lines) == (401, ['{"detail":"The ticket was used before."}'])
    assert second.headers["access-control-allow-origin"] == origin
    other = StreamClient(f"{server.url}/api/v1/jobs/", {}).until(lambda client: client.ended)
    assert other.status == 404
    for client in (first, second, other):
        client.close()


@pytest.fixture
def browser(moderator):
    browser = Client()
    assert browser.login(username=moderator.username, password=PASSWORD)
    return browser


def cookie_of(browser):
    return {"Cookie": f"{settings.SESSION_COOKIE_NAME}={browser.session.session_key}"}


def ticket_query_of(browser):
    return urlencode({"ticket": ticket_of(browser.get(PATH))})


def sign_out(browser):
    assert browser.post("/admin/logout/").status_code == 200


def let_expire(browser):
    changed = Session.objects.filter(pk=browser.session.session_key).update(expire_date=timezone.now())
    assert changed == 1


def change_own_password(browser):
    new = {"new_password1": "another good one", "new_password2": "another good one"}
    response = browser.post("/admin/password_change/", {"old_password": PASSWORD, **new})
    assert response.status_code == 302


@pytest.mark.parametrize("end", [sign_out, let_expire, change_own_password])
def test_a_session_opens_the_stream_and_ends_it(stream, connect, browser, moderator, end):
    server, other = stream(), Client()
    other.force_login(moderator)
    token = tokens.issue_tokens(moderator)["access_token"]
    behind_proxy = connect(server, headers=cookie_of(browser)).started()
    redirected = connect(server, ticket_query_of(browser)).started()
    staying = [
        connect(server, headers={"Authorization": f"Bearer {token}"}).started(),
        connect(server, ticket_query_of(other)).started(),
    ]
    assert [each.status for each in (behind_proxy, redirected, *staying)] == [200] * 4
    end(browser)
    behind_proxy.until(lambda each: each.ended, "the end of the stream")
    redirected.until(lambda each: each.ended, "the end of the stream")
    if end is not change_own_password:  # a new password ends every right
        assert not any(client.ended for client in staying)


@pytest.mark.parametrize("end", [sign_out, let_expire])
def test_a_ticket_ends_with_its_session(browser, end):
    ticket = ticket_of(browser.get(PATH))
    assert tickets.redeem(ticket_of(browser.get(PATH))).session_key == browser.session.session_key
    end(browser)
    with pytest.raises(tickets.InvalidTicket, match="no longer signed in"):
        tickets.redeem(ticket)


@pytest.mark.one_engine
def test_a_ticket_does_not_show_the_key_of_its_session(browser):
    key = browser.session.session_key.encode()
    first, second = (
        json.loads(signing.b64_decode(ticket_of(browser.get(PATH)).partition(":")[0].encode()))
        for _ in range(2)
    )
    assert first[:3] == second[:3]
    assert first[3] != second[3]
    assert len(first[3]) == len(key.hex())
    assert not {key.decode(), key.hex()} & {*first, *second}


@pytest.mark.one_engine
def test_the_rights_of_all_clients_take_two_queries(browser, moderator, user, django_assert_num_queries):
    fingerprint = tokens.cached_users.password_fingerprint(moderator)
    by_session = [
        Access(moderator.pk, fingerprint, session_key=key) for key in (browser.session.session_key, "gone")
    ]
    by_token = [access_of(user), access_of(moderator), access_of(user, -1)]
    with django_assert_num_queries(2):
        assert rights.lost([*by_session, *by_token]) == {by_session[1], by_token[2]}


def change_password(user):
    user.set_password("another one")
    user.save()


@pytest.mark.parametrize(
    "end",
    [
        lambda user: actions.update_user(user.pk, active=False),
        change_password,
        lambda user: user.delete(),
    ],
    ids=["deactivated", "new password", "deleted"],
)
def test_a_user_loses_the_stream_at_the_next_check(stream, follow, user, admin_user, end):
    assert CHECK_SECONDS < 5  # what the contract promises
    server = stream()
    client, resuming = follow(server).started(), follow(server, "type=x").started()
    token = tokens.issue_tokens(admin_user)["access_token"]
    other = StreamClient(f"{server.url}{PATH}", {"Authorization": f"Bearer {token}"}).started()
    end(user)
    client.until(lambda each: each.ended, "the end of the stream")
    resuming.until(lambda each: each.ended, "the end of the stream")
    assert not other.ended
    other.close()


@pytest.mark.one_engine
def test_the_stream_ends_with_the_token(stream, user):
    access = access_of(user, seconds=3)
    client = StreamClient(
        f"{stream().url}{PATH}?{urlencode({'ticket': tickets.issue(access)})}", {}
    ).started()
    client.until(lambda each: each.ended, "the end of the stream")
    client.close()
